"""What `mapsr reproduce FIGURE --budget paper` costs: FLOPs counted in a step of every training, and a GPU's hours.

    python benchmarks/paper_budget.py

One step on random images, forward and backward through every network that takes part, is counted by
torch.utils.flop_counter (2 per multiply-add; convolutions and matrix products alone) with two patches, and multiplied
by the batch and the steps. Of the Swiss roll, whose networks are too small for a GPU, nothing is counted.
"""

import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from mapsr_cli.criteria.base import Patches
from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.criteria.snapshots import Snapshot, Snapshots
from mapsr_cli.experiments.images.faces import FACES, PROJECTIONS
from mapsr_cli.experiments.images.grass import GRASS
from mapsr_cli.experiments.images.natural import NATURAL
from mapsr_cli.networks import build
from mapsr_cli.training.assembly import make_learner
from mapsr_cli.training.engine import Engine
from mapsr_cli.training.processes import make_accelerator
from mapsr_cli.training.recipe import Recipe
from mapsr_cli.training.run import Run

GPU = "NVIDIA A100"
PEAKS = {"float32": (19.5e12, 0.5), "bfloat16": (312e12, 0.2)}
"""FLOP/s of its data sheet (dense; bfloat16 on tensor cores), and the share of them that is assumed."""
COUNTED = 2
"""Patches of a step that is counted: batch statistics need more than one."""
FIGURES = {
    "fig2": (PROJECTIONS, None, 3),
    "table2, fig4": (FACES, None, 1),
    "fig3": (GRASS, None, 1),
    "fig7": (GRASS, ("denoiser", "affdg", "density", "affll"), 3),
    "fig5, fig8": (NATURAL, None, 1),
}
"""Trainings, the rows of them (None: all), and how many of each. What shares trainings shares a line."""


def step_flops(recipe: Recipe) -> int:
    """Count the FLOPs of a step of `COUNTED` patches."""
    loop = replace(recipe.loop, snapshots=0)
    needs = METHODS[recipe.method].needs if recipe.method in METHODS else "nothing"
    prior = Snapshots([Snapshot(0.25, build(recipe[needs]))]) if needs in PRIORS else None
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), make_learner(recipe, prior), Engine(loop, make_accelerator("cpu", "fp32")), loop)
        run.engine.feed(map(Patches, images(recipe)))
        with FlopCounterMode(display=False) as counter:
            run.advance()
        run.close()
    return int(counter.get_total_flops())


def images(recipe: Recipe) -> Iterator[Tensor]:
    """Yield patches of noise without end."""
    while True:
        yield torch.rand(COUNTED, 3, *recipe["data"].patch)


def hours(flops: float) -> str:
    """Format the hours at each precision."""
    times = (flops / (peak * share) / 3600 for peak, share in PEAKS.values())
    return " | ".join(f"{time:.2g}" for time in times)


def main() -> None:
    torch.manual_seed(0)
    assumed = ", ".join(f"{name}: {share:.0%} of {peak / 1e12:g} TFLOP/s" for name, (peak, share) in PEAKS.items())
    print(f"{GPU}, assumed {assumed}\n")
    print("| figure | row | steps × batch | GFLOP a patch | PFLOP | hours, float32 | bfloat16 |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for figure, (trainings, names, trials) in FIGURES.items():
        rows: Mapping[str, object] = trainings.rows_of("paper")
        total = 0.0
        for name in names or rows:
            recipe = trainings.recipe(name, "paper", 0, Path("runs"))
            steps, batch = recipe.loop.steps or 0, recipe["data"].batch
            patch = step_flops(recipe) / COUNTED
            flops = trials * patch * steps * batch
            total += flops
            times = f"{trials} × " if trials > 1 else ""
            print(
                f"| {figure} | `{name}` | {times}{steps:,} × {batch} | {patch / 1e9:.1f} | {flops / 1e15:.0f} | "
                f"{hours(flops)} |",
                flush=True,
            )
        print(f"| **{figure}** | all | | | {total / 1e15:.0f} | {hours(total)} |", flush=True)


if __name__ == "__main__":
    main()
