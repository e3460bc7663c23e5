"""Every row of Table 1 trains, at the size of a test; what is done is kept for those alone who would train the same."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mapsr_cli.experiments.order import Order
from mapsr_cli.experiments.swissroll import recipe
from mapsr_cli.experiments.swissroll.page import table_page
from mapsr_cli.experiments.swissroll.recipe import _keep, _kept, _sharing
from mapsr_cli.experiments.swissroll.table1 import (
    BUDGETS,
    ROWS,
    Examination,
    MethodRow,
    StepCounts,
    exact_estimators,
    fingerprint,
    row_recipe,
    run_row,
    score,
    settings_of,
    steps_of,
)
from mapsr_cli.experiments.swissroll.trials import recipe_of, rolls
from mapsr_cli.experiments.swissroll.truth import KernelDensity

TINY = StepCounts(squared=2, absolute=2, gan=2, guided=2, denoiser=8, likely=2, density=8)


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
    one, other = (row_recipe(ROWS[name], BUDGETS["cpu"], 10, 0) for name in (affine, soft))
    assert one.loop == other.loop
    for section in ("criterion", "generator", "data"):
        assert one[section] == other[section]


def test_what_sides_a_gan_is_a_weak_absolute_error_alone() -> None:
    """One start of the same networks and rates; where the noise is narrow, 0.3 a unit is little beside ŷ/0.1²."""
    plain, sided = (row_recipe(ROWS[name], BUDGETS["cpu"], 10, 0) for name in ("affgan", "affgan-content"))
    assert ROWS["affgan-content"].starts == 1
    assert sided.settings["criterion"] == {**plain.settings["criterion"], "content": 0.3}
    assert sided.loop == plain.loop


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
    order = order_of(tmp_path)
    assert _kept(order) == {}
    curve = torch.rand(5, 2)
    _keep({"mse": curve}, order)
    assert torch.equal(_kept(replace(order, trials=10))["mse"], curve)
    others = ({"budget": "smoke"}, {"seed": 1}, {"steps": 3})
    assert all(_kept(replace(order, **other)) == {} for other in others)


def order_of(folder: Path) -> Order:
    return Order(folder, None, "cpu", 2, 0, lambda name, status: None)


def test_a_row_that_is_done_is_not_trained_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those whose settings are others now are, and those alone."""
    monkeypatch.setitem(BUDGETS, "cpu", TINY)
    monkeypatch.setattr(Examination, "make", classmethod(lambda cls, tested=20: small_test()))
    for name in ROWS.keys() - {"mse", "affdg", "softdg"}:
        monkeypatch.delitem(ROWS, name)
    trained: list[list[str]] = []

    def run_all(jobs, watch, done):  # type: ignore[no-untyped-def]
        for job in jobs:
            trained.append(list(job.args[0]))
            done(job(watch))

    monkeypatch.setattr(recipe, "run_all", run_all)
    first = recipe.table1(order_of(tmp_path))
    assert sorted(trained) == [["affdg", "softdg"], ["mse"]]
    trained.clear()
    assert recipe.table1(order_of(tmp_path)) == first
    assert trained == []
    monkeypatch.setitem(ROWS, "mse", replace(ROWS["mse"], settings={"criterion": {"rate": 1e-4}}))
    again = recipe.table1(order_of(tmp_path))
    assert trained == [["mse"]]
    assert again["rows"]["affdg"] == first["rows"]["affdg"]
    assert again["rows"]["mse"]["h"] != first["rows"]["mse"]["h"]
    assert json.loads((tmp_path / "table1.json").read_text())["rows"] == again["rows"]


@pytest.mark.parametrize("other", [{"starts": 2}, {"settings": {"criterion": {"noise_end": 0.05}}}])
def test_whatever_decides_a_rows_figures_is_in_its_fingerprint(other: dict[str, object]) -> None:
    plain = MethodRow("affgan", "gan")
    one = fingerprint(plain, TINY, 2, 0)
    assert one == fingerprint(MethodRow("affgan", "gan"), TINY, 2, 0)
    assert one != fingerprint(replace(plain, **other), TINY, 2, 0)  # type: ignore[arg-type]
    assert one != fingerprint(plain, replace(TINY, gan=3), 2, 0)
    assert len({one, fingerprint(plain, TINY, 3, 0), fingerprint(plain, TINY, 2, 1)}) == 3


def test_rows_that_follow_the_same_prior_share_a_process() -> None:
    groups = _sharing(ROWS)
    assert ["affdg", "softdg"] in [list(group) for group in groups]
    assert sorted(name for group in groups for name in group) == sorted(ROWS)


def test_the_page_tells_steps_starts_and_the_exact_estimators() -> None:
    test = small_test()
    floor, _, _ = score(test.density, test.x, test.map)
    exact = {name: scores.to_json(floor) for name, scores in exact_estimators(test, 2, 0).items()}
    assert all(row["consistency_mse"] < 1e-12 for row in exact.values())
    assert "seconds" not in exact["mean"]
    row = {"h": 4.0, "h_std": 0.5, "gap": 1.0, "median": 3.0, "consistency_mse": 1e-3, "seconds": 30.0}
    rows = {
        "mae": {**row, **steps_of(ROWS["mae"], BUDGETS["cpu"])},
        "affgan": {**row, **steps_of(ROWS["affgan"], BUDGETS["cpu"]), "starts": [[4.0, 6.0, 5.0], [5.0, 4.0, 6.0]]},
        "affdg": {**row, **steps_of(ROWS["affdg"], BUDGETS["cpu"])},
    }
    paper = {"map": {"h": 3.15, "consistency_mse": None}, "affgan": {"h": 4.1, "consistency_mse": 0.0}}
    results = {"trials": 2, "budget": "cpu", "seed": 0, "exact": exact, "rows": rows, "paper": paper}
    page = table_page({**results, "map": {"h": 3.0, "median": 2.5}})
    assert "| MAE | 24,000 | 1 | – | – | 4.00 ± 0.50 | 1.00 | 3.00 | – | 1.0e-03 | 30 |" in page
    assert "| AffGAN, one start | 1,800 | 1 | 4.10 | 0.95 | 5.00 ± 0.89 | 2.00 | – | 0 | – | 10 |" in page
    assert "| AffGAN, kept of 3 | 1,800 | 3 | – | – | 4.00 ± 0.50 | 1.00 |" in page
    assert "| AffDG | 5,000 + 3,000 | 1 |" in page
    assert f"| posterior median (exact: MAE, AffMAE) | – | – | – | – | {exact['median']['h']:.2f} |" in page
