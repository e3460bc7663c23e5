"""`mapsr reproduce` from end to end, at the size of a test."""

from pathlib import Path

import pytest
from PIL import Image

from mapsr_cli.experiments.swissroll import fig6
from mapsr_cli.experiments.swissroll.table1 import BUDGETS, PAPER, ROWS, Examination
from tests.cli.conftest import Mapsr
from tests.experiments.swissroll.test_recipe import TINY, small_test


@pytest.mark.slow
def test_the_command(mapsr: Mapsr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUDGETS, "smoke", TINY)
    monkeypatch.setattr(fig6, "MOMENTS", 2)
    monkeypatch.setattr(Examination, "make", classmethod(lambda cls, tested=20: small_test()))
    done = mapsr("reproduce", "table1", "--budget", "smoke", "--trials", 2, "--out", tmp_path, "--json")
    assert done.code == 0, done.stderr
    assert done.json["rows"].keys() == ROWS.keys()
    page = (tmp_path / "table1.md").read_text()
    assert all(f"{h:.2f}" in page for h, _ in PAPER.values())
    drawn = mapsr("reproduce", "fig1", "--budget", "smoke", "--out", tmp_path)
    assert drawn.code == 0, drawn.stderr
    with Image.open(tmp_path / "fig1.png") as image:
        assert image.width > 1000
    noise = mapsr("reproduce", "fig6", "--budget", "smoke", "--trials", 2, "--out", tmp_path, "--json")
    assert noise.code == 0, noise.stderr
    assert all(len(history) == 2 and len(history[0]) == 2 for history in noise.json["h"].values())
    assert (tmp_path / "fig6.png").exists()
    assert (tmp_path / "fig1.svg").read_text().startswith("<?xml")
