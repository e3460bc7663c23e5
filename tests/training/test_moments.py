"""Estimators kept along a run, and the last one, are those that trained: projection included."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mapsr_cli.errors import CheckpointError
from mapsr_cli.training.assembly import make_learner
from mapsr_cli.training.loop import Tasks, train
from mapsr_cli.training.moments import SNAPSHOTS, estimator_keeper, last_estimator, moments, steps_done
from mapsr_cli.training.recipe import Recipe, make_recipe
from mapsr_cli.training.run import CHECKPOINT, Run
from tests.training.learners import run


def recipe(steps: int = 4, **sections: object) -> Recipe:
    small = {
        "generator": {"channels": 8, "blocks": 1},
        "constraint": {"projection": "random-trainable"},
        "data": {"patch": (16, 16), "batch": 2},
        "loop": {"steps": steps, "snapshots": 2},
    }
    return make_recipe("affmse", "compact", {**small, **sections})  # type: ignore[arg-type]


def trained(folder: Path, made: Recipe) -> tuple[Run, list[Tensor]]:
    """A finished run, and its estimates for one x at each snapshot."""
    found: list[Tensor] = []
    began = run(folder, made.loop, make_learner(made))
    began.engine.feed(iter(torch.rand(4, 2, 3, 16, 16, generator=torch.Generator().manual_seed(0))))
    keep = estimator_keeper(began)

    def take(result: nn.Module, number: int, level: float) -> None:
        found.append(result(X))
        keep(result, number, level)

    train(began, Tasks(snapshot=take))
    return began, found


X = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(1))


def test_moments_are_the_estimators_that_trained(tmp_path: Path) -> None:
    made = recipe()
    began, found = trained(tmp_path, made)
    kept = list(moments(tmp_path, made))
    assert [step for step, _ in kept] == [2, 4]
    for (_, estimator), estimate in zip(kept, found, strict=True):
        assert torch.equal(estimator(X), estimate)
    assert not torch.equal(found[0], found[1])
    assert torch.equal(last_estimator(tmp_path, made)(X), began.result(X))
    assert steps_done(tmp_path) == 4


def test_what_is_not_there_or_does_not_fit(tmp_path: Path) -> None:
    made = recipe()
    assert steps_done(tmp_path) == 0
    with pytest.raises(CheckpointError, match="no snapshots of a training"):
        next(moments(tmp_path, made))
    began, _ = trained(tmp_path, made)
    (tmp_path / SNAPSHOTS / "000.safetensors").write_bytes((began.folder / CHECKPOINT).read_bytes())
    with pytest.raises(CheckpointError, match="not the snapshot of an estimator"):
        next(moments(tmp_path, made))
    with pytest.raises(CheckpointError, match="does not fit"):
        last_estimator(tmp_path, recipe(generator={"channels": 8, "blocks": 2}))
