"""Every row of Table 1 trains, at the size of a test; and curves are kept for those alone who would train the same."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mapsr_cli.experiments.order import Order
from mapsr_cli.experiments.swissroll.recipe import _keep, _kept
from mapsr_cli.experiments.swissroll.table1 import BUDGETS, ROWS, Examination, StepCounts, run_row, settings_of
from mapsr_cli.experiments.swissroll.trials import recipe_of, rolls
from mapsr_cli.experiments.swissroll.truth import KernelDensity

TINY = StepCounts(regression=2, gan=2, guided=2, denoiser=8, likely=2, density=8)


def small_test() -> Examination:
    """A density of few points: what is measured here is the plumbing."""
    points = next(rolls(50, 4, 0)).reshape(-1, 2)
    x = points[:20].mean(dim=1)
    return Examination(KernelDensity(points), x, points[:20])


@pytest.mark.parametrize("name", ROWS)
def test_every_row_trains_its_trials_side_by_side(name: str) -> None:
    test = small_test()
    row, estimator = run_row(ROWS[name], test, TINY, trials=3, seed=0, watch=lambda status: None, priors={})
    assert len(row.entropies) == 3
    assert len(set(row.entropies)) == 3
    told = row.to_json(1.0)
    assert told["gap"] == pytest.approx(told["h"] - 1.0)
    if name.startswith("aff"):
        assert max(row.consistency) < 1e-12
    assert not estimator.training


def test_the_papers_networks() -> None:
    """2 layers of 64 units, the denoiser's of 256: one network of each trial as Appendix D has it."""
    settings = settings_of(ROWS["affgan-z"], BUDGETS["cpu"], seed=0, trials=10)
    made = recipe_of("affgan", 10, settings)
    assert made["generator"].hidden == made["discriminator"].hidden == (64, 64)
    assert made["generator"].noise_dim == 20
    assert recipe_of("affdg", 10, {})["denoiser"].hidden == (256, 256)


@pytest.mark.parametrize(("affine", "soft"), [("affgan", "softgan"), ("affdg", "softdg")])
def test_twins_train_alike(affine: str, soft: str) -> None:
    """What differs between them is the constraint alone."""
    one, other = (recipe_of(name, 10, settings_of(ROWS[name], BUDGETS["cpu"], 0, 10)) for name in (affine, soft))
    assert one.loop == other.loop
    for section in ("criterion", "generator", "data"):
        assert one[section] == other[section]


def test_the_discriminator_keeps_its_rate_and_noise_bridges_the_arms() -> None:
    made = recipe_of("affgan", 10, {})
    assert made["criterion"].noise == "geometric"
    assert made["criterion"].noise_start >= 2.5 > 0.2 > made["criterion"].noise_end > 0
    assert made["criterion"].discriminator_steady
    assert made.loop.final_rate < 1


def test_trials_see_different_points() -> None:
    points = next(rolls(4, 3, 0))
    assert points.shape == (4, 3, 1, 2)
    assert len(torch.unique(points.reshape(-1, 2), dim=0)) == 12


def test_curves_of_another_training_are_not_taken_for_these(tmp_path: Path) -> None:
    order = Order(tmp_path, None, "cpu", 1, 0, lambda name, status: None)
    assert _kept(order) == {}
    curve = torch.rand(5, 2)
    _keep({"mse": curve}, order)
    assert torch.equal(_kept(replace(order, trials=10))["mse"], curve)
    others = ({"budget": "smoke"}, {"seed": 1}, {"steps": 3})
    assert all(_kept(replace(order, **other)) == {} for other in others)  # type: ignore[arg-type]
