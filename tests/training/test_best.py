"""The best of a run's validations is kept, and a run that becomes no better ends."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from mapsr_cli.configs import change_config
from mapsr_cli.errors import UsageError
from mapsr_cli.training.config import LoopConfig, merit
from mapsr_cli.training.loop import Tasks, train
from mapsr_cli.training.run import Run
from tests.training.learners import run

EVERY_STEP = LoopConfig(steps=30, warmup=2, validate_minutes=0.0, checkpoint_minutes=0.0)


def trained(folder: Path, figures: list[float], config: LoopConfig) -> tuple[Run, list[int]]:
    """Train with these figures at the validations, one after each step; return the run and the steps that were kept."""
    kept: list[int] = []

    def validate(current: Run) -> Mapping[str, float]:
        return {config.best: figures[min(current.step - 1, len(figures) - 1)]}

    finished = run(folder, config)
    train(finished, Tasks(validate=validate, export_best=lambda current: kept.append(current.step)))
    return finished, kept


@pytest.mark.parametrize(
    ("measure", "figures", "steps"),
    [
        ("psnr_y", [30.0, 31.0, 30.5, 31.0, 31.5, 31.2], [1, 2, 5]),
        ("consistency_mse", [3e-9, 1e-9, 2e-9], [1, 2]),
        ("gradient_energy", [0.5, 1.3, 0.9, 1.2, 1.05], [1, 2, 3, 5]),
    ],
)
def test_the_best_is_kept(tmp_path: Path, measure: str, figures: list[float], steps: list[int]) -> None:
    config = change_config(EVERY_STEP, {"steps": 8, "best": measure}, "loop")
    finished, kept = trained(tmp_path, figures, config)
    assert kept == steps
    assert finished.best == (steps[-1], figures[steps[-1] - 1])
    assert finished.step == 8


def test_a_run_that_becomes_no_better_ends(tmp_path: Path) -> None:
    finished, kept = trained(tmp_path, [30.0, 31.0, 30.0], replace(EVERY_STEP, patience=4))
    assert kept == [1, 2]
    assert finished.ended_early
    assert finished.step == 7  # 2 + 4 validations, and the step after which all processes know
    again, kept = trained(tmp_path, [40.0], replace(EVERY_STEP, patience=4))
    assert again.step == 7
    assert again.best == (7, 40.0)


def test_what_was_best_is_known_after_a_resumption(tmp_path: Path) -> None:
    trained(tmp_path, [30.0, 31.0, 30.0], replace(EVERY_STEP, steps=4))
    finished, kept = trained(tmp_path, [0, 0, 0, 0, 30.9, 31.1], replace(EVERY_STEP, steps=6))
    assert kept == [6]
    assert finished.best == (6, 31.1)


def test_without_the_measure_nothing_is_kept(tmp_path: Path) -> None:
    finished = run(tmp_path, replace(EVERY_STEP, steps=3, patience=1))
    train(finished, Tasks(validate=lambda _: {"bits": 1.0}))
    assert (finished.best, finished.step) == (None, 3)


def test_merit() -> None:
    assert merit("ssimulacra2", 70) > merit("ssimulacra2", 60)
    assert merit("gradient_energy", 0.95) > merit("gradient_energy", 1.2) > merit("gradient_energy", 0.7)
    assert merit("consistency_mse", 1e-12) > merit("consistency_mse", 1e-3)
    with pytest.raises(UsageError, match=r"loop\.patience = 0"):
        LoopConfig(patience=0)
