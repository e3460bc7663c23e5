"""Where a run's figures and pictures go. Disks that fail: see test_loop.py."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from accelerate import PartialState

from mapsr_cli.errors import UsageError
from mapsr_cli.training.journal import CsvJournal, TensorBoardJournal, WandbJournal, journal_kinds
from tests.pictures import save, scene


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return save(scene(20, 30), tmp_path / "samples.png")


def test_tensorboard_has_the_pictures(tmp_path: Path, picture: Path) -> None:
    journal = TensorBoardJournal(tmp_path, 0)
    journal.write(5, {"loss": 0.25})
    journal.show(5, picture)
    journal.close()
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    events = event_accumulator.EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    (shown,) = events.Images("samples")
    assert (shown.step, shown.width, shown.height) == (5, 30, 20)
    assert events.Scalars("loss")[0].value == 0.25


def test_a_csv_leaves_pictures_alone(tmp_path: Path, picture: Path) -> None:
    journal = CsvJournal(tmp_path, 0)
    journal.show(5, picture)
    journal.close()
    assert (tmp_path / "metrics.csv").read_text() == "step,name,value\n"


@pytest.fixture
def wandb(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """A stand-in for the service's library, which notes what it is told."""
    told: list[tuple[Any, ...]] = []
    running = SimpleNamespace(
        log=lambda values, step=None, **more: told.append(("log", values, step)),
        finish=lambda: told.append(("finish",)),
    )
    module = ModuleType("wandb")

    def init(**options: Any) -> SimpleNamespace:
        told.append(("init", options))
        return running

    vars(module).update(
        init=init,
        Image=lambda pixels, **more: np.asarray(pixels).shape,
        __spec__=SimpleNamespace(name="wandb"),
    )
    monkeypatch.setitem(sys.modules, "wandb", module)
    return told


def test_weights_and_biases(tmp_path: Path, picture: Path, wandb: list[tuple[Any, ...]]) -> None:
    PartialState()  # as in a run: trackers write logs through it
    (kind,) = journal_kinds("wandb")
    assert kind is WandbJournal
    for _ in range(2):
        journal = kind(tmp_path, 0)
        journal.write(5, {"loss": 0.25})
        journal.show(5, picture)
        journal.close()
    (_, options), logged, shown, ended = wandb[:4]
    assert options == wandb[4][1]  # the same run goes on
    assert (options["project"], options["name"], options["resume"]) == ("mapsr", tmp_path.name, "allow")
    assert logged == ("log", {"loss": 0.25}, 5)
    assert shown == ("log", {"samples": [(20, 30, 3)]}, 5)
    assert ended == ("finish",)


def test_without_wandb_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mapsr_cli.training.journal.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="--log wandb needs wandb"):
        journal_kinds("csv,wandb")
