"""Estimators that a run wrote are those that trained: projection included."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from mapsr_cli.criteria.base import Patches
from mapsr_cli.errors import CheckpointError
from mapsr_cli.training.assembly import make_learner
from mapsr_cli.training.export import WEIGHTS, export, export_snapshot
from mapsr_cli.training.loop import Tasks, train
from mapsr_cli.training.moments import moments, read_estimator
from mapsr_cli.training.recipe import make_recipe
from mapsr_cli.training.run import Run
from mapsr_cli.training.settings import SectionValues
from tests.training.learners import run

X = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(1))
PLACES = [("affmse", "exact"), ("affmse", "random-trainable"), ("affmse", "fitted"), ("mse", None)]


@pytest.mark.parametrize(("method", "projection"), PLACES)
def test_what_was_written_is_what_trained(method: str, projection: str | None, tmp_path: Path) -> None:
    constraint: SectionValues = {"constraint": {"projection": projection}} if projection else {}
    small: SectionValues = {"generator": {"channels": 8, "blocks": 1}, "data": {"patch": (16, 16), "batch": 2}}
    made = make_recipe(method, "compact", {**small, **constraint, "loop": {"steps": 4, "snapshots": 2}})
    began = run(tmp_path, made.loop, make_learner(made))
    began.engine.feed(map(Patches, torch.rand(4, 2, 3, 16, 16, generator=torch.Generator().manual_seed(0))))
    found: list[Tensor] = []

    def take(run: Run, number: int) -> None:
        found.append(run.result(X))
        export_snapshot(made, run, number)

    train(began, Tasks(snapshot=take))
    export(made, began, tmp_path / WEIGHTS, {})
    kept = list(moments(tmp_path))
    assert [step for step, _ in kept] == [2, 4]
    for (_, estimator), estimate in zip(kept, found, strict=True):
        assert torch.equal(estimator(X), estimate)
    assert not torch.equal(found[0], found[1])
    assert torch.equal(read_estimator(tmp_path / WEIGHTS)(X), began.result(X))


def test_where_nothing_was_kept(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="no snapshots of a training"):
        next(moments(tmp_path))
