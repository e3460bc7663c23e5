"""`mapsr train --dry-run`: what would be trained, and what it would cost."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapsr_cli.cli.progress import busy
from mapsr_cli.cli.report import document, result, say
from mapsr_cli.cli.training import need_extra
from mapsr_cli.cli.training_run import validation_on

if TYPE_CHECKING:
    from mapsr_cli.training.recipe import Recipe


def dry_run(recipe: "Recipe", valid: Path | None, device: str, precision: str, compiled: bool, json: bool) -> None:
    """Measure three steps, and print what was found."""
    need_extra("accelerate", "train")
    import torch

    from mapsr_cli.training.processes import make_accelerator
    from mapsr_cli.training.rehearsal import rehearse

    torch.set_flush_denormal(True)
    accelerator = make_accelerator(device, precision)
    with busy("three steps"):
        validation_on(valid, recipe)  # refuses what cannot be measured
        found = rehearse(recipe, accelerator, compiled, say)
    if not accelerator.is_main_process:
        return
    loop, data = recipe.loop, recipe["data"]
    minutes = found.seconds * 1000 / 60
    figures: dict[str, Any] = {
        "method": recipe.method,
        "preset": recipe.preset,
        "parameters": found.parameters,
        "kernel": recipe["kernel"].make().describe() if "kernel" in recipe.sections else None,
        "images": found.images,
        "patch": list(data.patch),
        "batch": data.batch,
        "steps": loop.steps,
        "minutes": loop.minutes,
        "device": str(accelerator.device),
        "precision": accelerator.mixed_precision,
        "images_per_second": round(found.images_per_second, 3),
        "minutes_per_1000_steps": round(minutes, 3),
        "memory": found.memory,
    }
    if json:
        document(figures)
        return
    networks = ", ".join(f"{name} {count:,}" for name, count in found.parameters.items())
    result(f"{recipe.method} with preset {recipe.preset}; parameters: {networks}")
    if figures["kernel"]:
        result(f"A         {figures['kernel']}")
    result(f"data      {found.images:,} images found; {data.batch} patches of {data.patch[0]}×{data.patch[1]} a step")
    where = f"{accelerator.device}, precision {accelerator.mixed_precision}"
    result(
        f"pace      {minutes:.2f} minutes per 1,000 steps ({found.images_per_second:.1f} patches a second) on {where}"
    )
    if found.memory:
        whose = "of the device" if accelerator.device.type == "cuda" else "of the process"
        result(f"memory    {found.memory / 2**30:.2f} GiB {whose} at the peak")
    result(f"length    {_length(loop.steps, loop.minutes, found.seconds)}")


def _length(steps: int | None, minutes: float | None, seconds: float) -> str:
    """Say how long the run is, in steps and in minutes."""
    taken = (
        [] if steps is None else [(steps * seconds / 60, f"{steps:,} steps, about {steps * seconds / 60:.1f} minutes")]
    )
    if minutes is not None:
        taken.append((minutes, f"{minutes:g} minutes, about {round(60 * minutes / seconds):,} steps"))
    return min(taken)[1]
