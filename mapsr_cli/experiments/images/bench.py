"""Rows trained in OUT/runs/NAME, or found there: an interrupted one goes on, a finished one is used as it is."""

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePath
from typing import Any

import torch
from torch import Tensor

from mapsr_cli.criteria.methods import PRIORS
from mapsr_cli.criteria.snapshots import Snapshots, read_snapshots
from mapsr_cli.errors import UsageError
from mapsr_cli.experiments.images.rows import Row, Trainings, check_same
from mapsr_cli.experiments.images.scores import score
from mapsr_cli.experiments.order import Order
from mapsr_cli.files import write_bytes
from mapsr_cli.networks import Estimator
from mapsr_cli.training.assembly import make_learner
from mapsr_cli.training.data.decoding import looks_like_image
from mapsr_cli.training.export import SNAPSHOTS, WEIGHTS
from mapsr_cli.training.journal import CsvJournal
from mapsr_cli.training.moments import moments, read_estimator
from mapsr_cli.training.processes import make_accelerator
from mapsr_cli.training.recipe import RECIPE, Recipe, read_recipe
from mapsr_cli.training.session import train_recipe
from mapsr_cli.zoo import load_model, load_prior


@dataclass(frozen=True)
class Bench:
    """One experiment's rows."""

    trainings: Trainings
    order: Order
    trial: int = 0
    """Number of an independent training of all rows: 0, 1, …"""

    @property
    def runs(self) -> Path:
        """Return where the rows' folders are: `runs`, those of further trials in `runs-2`, `runs-3`, …"""
        return self.order.out / ("runs" if self.trial == 0 else f"runs-{self.trial + 1}")

    @property
    def rows(self) -> Mapping[str, Row]:
        """Return what the order's budget trains, by name."""
        return self.trainings.rows_of(self.order.budget)

    def recipe(self, name: str) -> Recipe:
        """Return what `mapsr train` would make of the row."""
        row = self.rows[name]
        order = self.order
        recipe = self.trainings.recipe(name, order.budget, order.seed + self.trial, self.runs, order.steps)
        init = None if row.init is None else self.weights(row.init)
        return replace(recipe, location=str(self._images(name)), init=init)

    def _images(self, name: str) -> Path:
        """Return what the row trains on: the folder, or a list of files beside it where the row leaves some out."""
        everything = self.order.find(self.trainings.data)
        return self.runs / f"{name}.txt" if self.rows[name].without else everything

    def train(self, *names: str) -> None:
        """Train rows to their end, after those that they start from or follow; finished ones are left alone.

        Raises UsageError where a row's folder holds a training with another recipe or of other data.
        """
        for name in names:
            recipe = self.recipe(name)
            data = f"{name}.txt" if self.rows[name].without else self.trainings.data
            _check(recipe, self.runs / name, data)
            if self._steps(name) < (recipe.loop.steps or 0):
                self._train(name, recipe)

    def _train(self, name: str, recipe: Recipe) -> None:
        row = self.rows[name]
        self.train(*(before for before in (row.init, row.prior) if before is not None))
        if row.without:
            self._list_images(name)
        torch.set_flush_denormal(True)
        watch = partial(self.order.watch, name if self.trial == 0 else f"{name}, trial {self.trial + 1}")
        precision = "auto" if "ACCELERATE_MIXED_PRECISION" in os.environ else "fp32"  # the paper's, unless asked
        train_recipe(recipe, self.runs / name, make_accelerator("auto", precision), watch, [CsvJournal])

    def _list_images(self, name: str) -> None:
        folder, without = self.order.find(self.trainings.data), self.rows[name].without
        images = [p for p in sorted(folder.iterdir()) if looks_like_image(p.name) and p.name not in without]
        self.runs.mkdir(parents=True, exist_ok=True)
        write_bytes(self._images(name), "".join(f"{p.resolve()}\n" for p in images).encode())

    def weights(self, name: str) -> Path:
        """Return the file of the row's averaged weights."""
        return self.runs / name / WEIGHTS

    def _training(self, name: str) -> dict[str, Any]:
        """Read the training's description from the row's weights."""
        is_prior = self.rows[name].method in PRIORS
        card = load_prior(self.weights(name)).card if is_prior else load_model(self.weights(name)).card
        return card.training

    def _steps(self, name: str) -> int:
        return int(self._training(name)["steps"]) if self.weights(name).exists() else 0

    def measure(self, name: str, truths: Tensor) -> dict[str, Any]:
        """Score the trained row on HR images [N, 3, H, W], with its `steps` and `minutes`."""
        training = self._training(name)
        effort = {key: training[key] for key in ("steps", "minutes")}
        return {**score(self.estimator(name), truths).to_json(), **effort}

    def estimator(self, name: str) -> Estimator:
        """Load the trained row."""
        return read_estimator(self.weights(name))

    def untrained(self, name: str) -> Estimator:
        """Make the row's estimator as it is before the first step, in eval mode."""
        _, generator = next(make_learner(replace(self.recipe(name), init=None)).players())
        assert isinstance(generator.bare, Estimator)
        return generator.bare.eval().requires_grad_(False)

    def moments(self, name: str) -> Iterator[tuple[int, Estimator]]:
        """Yield (step, estimator) along the row's training."""
        return moments(self.runs / name)

    def snapshots(self, name: str) -> Snapshots:
        """Load the snapshots of a row that is a prior."""
        return read_snapshots(self.runs / name / SNAPSHOTS)


def benches(trainings: Trainings, order: Order) -> list[Bench]:
    """Make a bench for each trial that the order asks for."""
    return [Bench(trainings, order, trial) for trial in range(order.trials)]


def _check(wanted: Recipe, folder: Path, data: str) -> None:
    """Raise UsageError if a run that is in the folder already is not this one, on these data."""
    if not (folder / RECIPE).exists():
        return
    begun = read_recipe(folder)
    check_same(wanted, begun, folder)
    parts = PurePath(data).parts
    if PurePath(begun.location).parts[-len(parts) :] != parts:
        raise UsageError(
            f"{folder} holds a training on {begun.location}, not on {data}",
            "move that folder away, or choose another --out",
        )
