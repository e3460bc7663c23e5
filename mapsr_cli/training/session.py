"""A run from its plan: opened, trained, written down. What `mapsr train` and the experiments share."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from accelerate import Accelerator
from torch import Tensor, nn

from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.errors import UsageError
from mapsr_cli.files import write_bytes
from mapsr_cli.training.assembly import WEIGHTS, export, make_learner, open_run, snapshot_keeper
from mapsr_cli.training.data import Data
from mapsr_cli.training.distillation import lessons
from mapsr_cli.training.journal import Journal
from mapsr_cli.training.loop import Tasks, Watch, train
from mapsr_cli.training.priors import prior_snapshots
from mapsr_cli.training.recipe import Recipe, make_recipe
from mapsr_cli.training.run import CHECKPOINT, Run
from mapsr_cli.views.training_grid import write_samples

RECIPE = "recipe.json"


class Validator(Protocol):
    """What measures a run as it goes."""

    def measure(self, estimator: nn.Module) -> Mapping[str, float]:
        """Figures of an estimator, by name."""

    def measure_prior(self, prior: nn.Module, level: float) -> Mapping[str, float]:
        """Figures of a prior at its level."""

    def tiles(self) -> Sequence[tuple[Tensor, Tensor]]:
        """(LR, HR) for a picture of samples."""


@dataclass(frozen=True)
class Plan:
    """What is trained, where, and on what."""

    recipe: Recipe
    folder: Path
    location: str
    """Of the data, as `open_data` takes it."""
    init: Path | None = None
    """Weights that a run starts from."""

    @classmethod
    def read(cls, folder: Path) -> "Plan":
        """Of a run that began in `folder`. Raises UsageError if there is none."""
        try:
            told = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
            method, preset, sections, location = (told[k] for k in ("method", "preset", "sections", "data"))
            init = None if told.get("init") is None else Path(told["init"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise UsageError(f"{folder} holds no run", "a run's folder has a recipe.json") from error
        return cls(make_recipe(method, preset, sections), folder, location, init)

    def write(self) -> None:
        """Write the folder's recipe.json."""
        init = None if self.init is None else str(self.init)
        told = {**self.recipe.to_json(), "data": self.location, "init": init}
        write_bytes(self.folder / RECIPE, (json.dumps(told, indent=2) + "\n").encode())


def open_plan(
    plan: Plan,
    accelerator: Accelerator,
    watch: Watch,
    compiled: bool = False,
) -> tuple[Run, Data]:
    """The run, where it stopped if it was there before, after the first stage that its method may need.

    Raises Interrupted if a signal ends that first stage.
    """
    recipe, snapshots = plan.recipe, None
    if recipe.method in METHODS and METHODS[recipe.method].needs in PRIORS:
        snapshots = prior_snapshots(recipe, plan.location, plan.folder.parent, accelerator, watch)
    begun = (plan.folder / CHECKPOINT).exists()
    learner = make_learner(recipe, snapshots, None if begun else plan.init)
    if compiled:
        for _, player in learner.players():
            player.bare.compile()
    taught = lessons(recipe, plan.location, plan.folder.parent, accelerator, watch)
    run, data = open_run(recipe, plan.folder, plan.location, learner, accelerator, taught)
    if accelerator.is_main_process:
        plan.write()
    return run, data


def tasks_of(
    plan: Plan,
    run: Run,
    watch: Watch,
    journals: list[Journal],
    validation: Validator | None = None,
) -> Tasks:
    """Validation, pictures, weights and snapshots beside the steps."""
    recipe, is_prior = plan.recipe, plan.recipe.method in PRIORS
    figures: dict[str, float] = {}

    def validate(result: nn.Module) -> Mapping[str, float]:
        assert validation is not None
        level = run.learner.level(run.progress)
        found = validation.measure_prior(result, level) if is_prior else validation.measure(result)
        figures.update(found)
        return found

    def picture(result: nn.Module, path: Path) -> None:
        assert validation is not None
        write_samples(result, validation.tiles(), path)

    return Tasks(
        validate=validate if validation is not None else None,
        picture=picture if validation is not None and not is_prior else None,
        export=lambda result, run: export(recipe, plan.location, result, run, figures, plan.folder / WEIGHTS),
        snapshot=snapshot_keeper(recipe, plan.location, run) if recipe.loop.snapshots else None,
        watch=watch,
        journals=journals,
    )


def conduct(run: Run, data: Data, tasks: Tasks) -> Mapping[str, float]:
    """Train to the end, and close data and journals; the last validation's figures. Raises Interrupted."""
    try:
        return train(run, tasks)
    finally:
        data.close()
        for journal in tasks.journals:
            journal.close()
