"""The estimators of a run: as its training left them, and as they were at moments along it.

Whole estimators, constraint included: a projection may be learnt, too, which `weights.safetensors` does not say.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from torch import nn

from mapsr_cli.criteria.resolver import Estimator
from mapsr_cli.errors import CheckpointError
from mapsr_cli.networks import build
from mapsr_cli.training.assembly import make_constraint
from mapsr_cli.training.checkpoint import load_module, load_state, save_state
from mapsr_cli.training.recipe import Recipe
from mapsr_cli.training.run import CHECKPOINT, Run

SNAPSHOTS = "snapshots"


def estimator_keeper(run: Run) -> Callable[[nn.Module, int, float], None]:
    """Keeps the averaged estimator in `snapshots/`, with the step that it is of (the loop's `snapshot` task)."""

    def keep(result: nn.Module, number: int, level: float) -> None:
        kept = run.folder / SNAPSHOTS
        kept.mkdir(parents=True, exist_ok=True)
        save_state(kept / f"{number:03d}.safetensors", {"step": run.step, "estimator": result.state_dict()})

    return keep


def moments(folder: Path, recipe: Recipe) -> Iterator[tuple[int, Estimator]]:
    """(step, estimator) of every snapshot that the run in `folder` kept, in order; estimators in eval mode.

    Raises CheckpointError where there is none, or one does not fit the recipe.
    """
    paths = sorted((folder / SNAPSHOTS).glob("*.safetensors"))
    if not paths:
        raise CheckpointError(f"{folder}: no snapshots of a training", "--set loop.snapshots=20 keeps them")
    for path in paths:
        state = load_state(path)
        if state.keys() != {"step", "estimator"}:
            raise CheckpointError(f"{path}: not the snapshot of an estimator")
        yield state["step"], _restored(recipe, state["estimator"], path)


def last_estimator(folder: Path, recipe: Recipe) -> Estimator:
    """What the run in `folder` would export: its averaged estimator at the last checkpoint, in eval mode."""
    path = folder / CHECKPOINT
    averaged = load_state(path)["average"]
    prefix = "module."
    own = {name.removeprefix(prefix): value for name, value in averaged.items() if name.startswith(prefix)}
    return _restored(recipe, own, path)


def steps_done(folder: Path) -> int:
    """Steps at the last checkpoint of the run in `folder`; 0 if there is none."""
    path = folder / CHECKPOINT
    return int(load_state(path)["step"]) if path.exists() else 0


def _restored(recipe: Recipe, state: dict[str, Any], path: Path) -> Estimator:
    estimator = Estimator(build(recipe["generator"]), make_constraint(recipe))
    load_module(estimator, state, path)
    return estimator.eval().requires_grad_(False)
