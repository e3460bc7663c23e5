"""Budget `paper` is Appendix D, on the Swiss roll: its settings, and every figure to its end in three steps."""

from pathlib import Path

import pytest

from mapsr_cli.experiments import parallel
from mapsr_cli.experiments.order import Order
from mapsr_cli.experiments.registry import EXPERIMENTS
from mapsr_cli.experiments.swissroll.table1 import BUDGETS, PAPER, Examination, row_recipe, rows_of
from mapsr_cli.training.recipe import Recipe
from tests.experiments.swissroll.test_recipe import small_test


def recipes() -> dict[str, Recipe]:
    """Every row of budget `paper`, one trial."""
    return {name: row_recipe(row, BUDGETS["paper"], 1, 0) for name, row in rows_of("paper").items()}


def test_rows_are_the_papers_with_one_start_each() -> None:
    assert rows_of("paper").keys() == PAPER.keys() - {"map"}
    assert {row.starts for row in rows_of("paper").values()} == {1}


def test_settings_are_appendix_ds() -> None:
    for recipe in recipes().values():
        assert recipe["generator"].hidden == (64, 64)  # "2-layered fully connected NNs with 64 units in each layer"
        assert (recipe["kernel"].name, recipe["kernel"].scale) == ("box", 2)  # x = (y1 + y2)/2
        assert (recipe.loop.average, recipe.loop.final_rate) == (0.0, 1.0)  # neither is mentioned
    for name in ("affgan", "softgan"):
        assert recipes()[name]["discriminator"].hidden == (64, 64)
        assert recipes()[name]["criterion"].noise == "none"  # instance noise "for the natural image experiments"
        assert recipes()[name]["criterion"].content == 0.0
    for name in ("affdg", "softdg"):
        criterion = recipes()[name]["criterion"]
        assert recipes()[name]["denoiser"].hidden == (256, 256)
        assert (criterion.sigma_start, criterion.sigma_end) == (0.5, 0.25)
        assert criterion.noisy  # eqn (29)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["table1", "fig1", "fig6"])
def test_a_figure_runs_to_its_end_in_three_steps(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: 1)  # other processes would know nothing of this patch
    monkeypatch.setattr(Examination, "make", classmethod(lambda cls, tested=20: small_test()))
    told = EXPERIMENTS[name].run(Order(tmp_path, None, "paper", 2, 0, lambda name, status: None, 3))
    assert all(Path(path).exists() for path in told["files"])
    if name == "table1":
        assert told["rows"].keys() == rows_of("paper").keys()
        assert {row["steps"] for row in told["rows"].values()} == {3}
