"""A recipe trained from the command line: what is shown meanwhile, and what is said at its end."""

import math
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mapsr_cli.cli import options
from mapsr_cli.cli.display import training_display
from mapsr_cli.cli.report import say
from mapsr_cli.cli.training import need_extra
from mapsr_cli.errors import UsageError, install_command

if TYPE_CHECKING:
    from mapsr_cli.evaluation.validation import Validation
    from mapsr_cli.training.recipe import Recipe
    from mapsr_cli.training.run import Run


def run_training(
    recipe: "Recipe",
    folder: Path,
    valid: Path | None,
    device: str,
    precision: str,
    compiled: bool,
    log: str,
    quiet: bool,
    network: str | None = None,
) -> "Run | None":
    """Train to the end; return the run in the main process, None in others, which have nothing to say.

    A signal ends it with exit code 130 and a run that can be resumed.
    """
    need_extra("accelerate", "train")
    import torch

    from mapsr_cli.training.journal import journal_kinds
    from mapsr_cli.training.loop import Interrupted
    from mapsr_cli.training.processes import joined, make_accelerator
    from mapsr_cli.training.session import train_recipe

    torch.set_flush_denormal(True)
    logs = journal_kinds(log)
    validation = validation_on(valid, recipe)
    accelerator = make_accelerator(device, precision)
    main = accelerator.is_main_process
    try:
        with training_display(quiet or not main, "reading data") as watch, joined(accelerator):
            run = train_recipe(recipe, folder, accelerator, watch, logs, validation, compiled, say)
    except Interrupted as stop:
        if main:
            again = _again(recipe.method, folder, valid, device, precision, compiled, log, network)
            say(
                f"stopped and saved at step {stop.step}; go on with: {again}"
                if stop.folder == folder
                else "stopped and saved in the first stage; the same command goes on with it"
            )
        raise typer.Exit(130) from stop
    if not main:
        return None
    if run.data is not None and (skipped := run.data.report.corrupt + run.data.report.small):
        say(f"{skipped} of {run.data.report.found} images were left out: damaged, or too small for a patch")
    if not quiet:
        _tell(run, recipe, validation, network)
    return run


def _tell(run: "Run", recipe: "Recipe", validation: "Validation | None", network: str | None) -> None:
    """Say how long it took, how good it became, and how to use it."""
    from mapsr_cli.training.export import BEST, WEIGHTS

    say(f"{run.step} steps in {run.seconds / 60:.1f} minutes")
    if validation is not None and "psnr_y" in run.figures:
        say(f"{validation.name} {run.figures['psnr_y']:.2f} dB (bicubic {validation.bicubic():.2f})")
    if run.ended_early:
        say(f"ended early: {run.stale} validations without a better {recipe.loop.best}")
    if run.best is not None:
        say(f"best {recipe.loop.best} {run.best[1]:.4g} at step {run.best[0]}: {run.folder / BEST}")
    weights = shlex.quote(str(run.folder / WEIGHTS))
    if recipe.is_prior:
        guided = "affdg" if recipe.method == "denoiser" else "affll"
        say(f"to follow it: mapsr train {guided} --set prior.run={shlex.quote(str(run.folder))}")
    elif recipe.preset == "swissroll":
        say(f"to use it: mapsr_cli.load({str(run.folder / WEIGHTS)!r})")  # two numbers a sample: no pictures
    else:
        named = recipe.network is not None and recipe.network.architecture.startswith("own:")
        code = f" --network {shlex.quote(network or '')}" if named else ""
        say(f"to use it: mapsr upscale photo.png -m {weights}{code}")


def report_of(run: "Run") -> dict[str, Any]:
    """Return what `--json` prints of a run that ended."""
    from mapsr_cli.training.export import BEST, WEIGHTS

    best = run.best and {"weights": str(run.folder / BEST), "step": run.best[0], run.config.best: run.best[1]}
    return {
        "run": str(run.folder),
        "weights": str(run.folder / WEIGHTS),
        "steps": run.step,
        "seconds": round(run.seconds, 3),
        "images_per_second": round(run.images_per_second, 3),
        "valid": {name: value if math.isfinite(value) else None for name, value in run.figures.items()},
        "best": best,
    }


def _again(
    method: str,
    folder: Path,
    valid: Path | None,
    device: str,
    precision: str,
    compiled: bool,
    log: str,
    network: str | None,
) -> str:
    """Return the command that goes on: the recipe holds neither how this machine computes nor what it validates on."""
    given = {"--network": network, "--valid": valid, "--device": device, "--precision": precision}
    given["--log"] = None if log == options.LOGS else log
    words = ["mapsr", "train", method, "--out", str(folder), "--resume"]
    for name, value in given.items():
        if value not in (None, "auto"):
            words += [name, str(value)]
    if compiled:
        words.append("--compile")
    return shlex.join(words)


def validation_on(folder: Path | None, recipe: "Recipe") -> "Validation | None":
    """Read the images to validate on. Raises UsageError where the best cannot be kept by what is measured here."""
    if folder is None:
        return None
    from mapsr_cli.evaluation.validation import Validation
    from mapsr_cli.operators import make_kernel

    # A prior looks at HR alone: which kernel makes the LR twins that nobody sees does not matter.
    kernel = recipe["kernel"].make() if "kernel" in recipe.sections else make_kernel("box", 2)
    validation = Validation(folder, kernel, recipe["data"].patch, None if recipe.is_prior else recipe["data"])
    best = recipe.loop.best
    if not recipe.is_prior and best not in (*validation.measures, "psnr_y", "consistency_mse"):
        raise UsageError(f"loop.best={best} is not measured here", install_command("eval"))
    return validation
