"""Trains a recipe to the end, for `mapsr train` and the experiments."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Protocol

from accelerate import Accelerator
from torch import Tensor, nn

from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.training.assembly import Tell, open_run, warn
from mapsr_cli.training.distillation import lessons
from mapsr_cli.training.export import BEST, WEIGHTS, export, export_snapshot
from mapsr_cli.training.journal import Journal, JournalKind
from mapsr_cli.training.lock import locked
from mapsr_cli.training.loop import Tasks, Watch, train
from mapsr_cli.training.priors import prior_snapshots
from mapsr_cli.training.recipe import Recipe
from mapsr_cli.training.run import Run
from mapsr_cli.views.training_grid import write_samples


class Validator(Protocol):
    """Measures a run as it goes."""

    def measure(self, estimator: nn.Module) -> Mapping[str, float]:
        """Return figures of an estimator, by name."""

    def measure_prior(self, prior: nn.Module, level: float) -> Mapping[str, float]:
        """Return figures of a prior at its level, by name."""

    def tiles(self) -> Sequence[tuple[Tensor, Tensor]]:
        """Return (LR, HR) for a picture of samples."""


def train_recipe(
    recipe: Recipe,
    folder: Path,
    accelerator: Accelerator,
    watch: Watch,
    logs: Sequence[JournalKind] = (),
    validator: Validator | None = None,
    compiled: bool = False,
    tell: Tell = warn,
) -> Run:
    """Train to the end in `folder`, from where the run stopped if it was there before.

    What the method needs beforehand, a prior or a teacher's lessons, is made first, beside `folder`, and kept for the
    next run. `watch` is told how it goes; `compiled` uses torch.compile. Raises Interrupted after a signal, with what
    was trained saved: in `folder`, or in that of the first stage. `tell` is called with remarks of one line. Raises
    FileError where another process trains in the folder, or writing fails.
    """
    snapshots = None
    if recipe.method in METHODS and METHODS[recipe.method].needs in PRIORS:
        snapshots = prior_snapshots(recipe, folder.parent, accelerator, watch, tell)
    estimates = lessons(recipe, folder.parent, accelerator, watch)
    with locked(folder, accelerator.is_main_process), ExitStack() as closing:
        run = open_run(recipe, folder, accelerator, snapshots, estimates, compiled, tell)
        closing.callback(run.close)
        journals: list[Journal] = []
        if accelerator.is_main_process:
            recipe.write(folder)
            for kind in logs:
                journals.append(kind(folder, run.step))
                closing.callback(journals[-1].close)
        train(run, _tasks(recipe, watch, journals, validator))
    return run


def _tasks(recipe: Recipe, watch: Watch, journals: Sequence[Journal], validator: Validator | None) -> Tasks:
    """Return what a recipe does beside the steps: validation, pictures, weights and snapshots."""

    def validate(run: Run) -> Mapping[str, float]:
        assert validator is not None
        if recipe.is_prior:
            return validator.measure_prior(run.result, run.learner.level(run.progress))
        return validator.measure(run.result)

    def picture(run: Run, path: Path) -> None:
        assert validator is not None
        write_samples(run.result, validator.tiles(), path)

    return Tasks(
        validate=validate if validator is not None else None,
        picture=picture if validator is not None and not recipe.is_prior else None,
        export=lambda run: export(recipe, run, run.folder / WEIGHTS, run.figures),
        export_best=lambda run: export(recipe, run, run.folder / BEST, run.figures),
        snapshot=partial(export_snapshot, recipe) if recipe.loop.snapshots else None,
        watch=watch,
        journals=journals,
    )
