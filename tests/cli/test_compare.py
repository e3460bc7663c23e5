"""`mapsr compare`, and pages of outputs that exist."""

import re
from collections import Counter
from pathlib import Path

import pytest

from mapsr_cli.imaging import Frames
from mapsr_cli.inference.verification import read_hr
from mapsr_cli.operators import make_kernel
from tests.cli.conftest import Mapsr
from tests.pictures import lr_of, save, scene


def test_a_page_of_files(mapsr: Mapsr, tmp_path: Path) -> None:
    hr = scene(48, 64)
    small = save(lr_of(hr, make_kernel("bicubic", 4)), tmp_path / "a.png")
    large, other = save(hr, tmp_path / "b.png"), save(scene(24, 32), tmp_path / "c.png")
    done = mapsr("compare", small, large, other, "-o", tmp_path / "page.html", "--json")
    assert (done.code, done.json["page"]) == (0, str(tmp_path / "page.html"))
    page = (tmp_path / "page.html").read_text("utf-8")
    assert len(re.findall("base64,", page)) == 3
    assert "a.png, bicubic ×4" in page
    assert "64 × 48 pixels; downscaled by bicubic ×4 it gives a.png back: bit for bit" in page
    assert "c.png" in page
    assert mapsr("compare", small, large, "-o", tmp_path / "page.html").code == 1
    assert mapsr("compare", small, large, "-o", large, "--overwrite").code != 0


def test_pictures_are_decoded_no_more_often_than_needed(
    mapsr: Mapsr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A large one beside its original once, however often it is looked at; of several, each for its size and again."""
    decoded: Counter[str] = Counter()

    def counted(path: Path, *limits: int, **more: int) -> Frames:
        decoded[path.name] += 1
        return read_hr(path, *limits, **more)

    monkeypatch.setattr("mapsr_cli.views.comparison_page.read_hr", counted)
    monkeypatch.setattr("mapsr_cli.inference.verification.read_hr", counted)
    hr = scene(48, 64)
    small = save(lr_of(hr, make_kernel("bicubic", 4)), tmp_path / "a.png")
    large, other = save(hr, tmp_path / "b.png"), save(scene(24, 32), tmp_path / "c.png")
    assert mapsr("compare", small, large, "-o", tmp_path / "two.html").code == 0
    assert decoded == {"b.png": 1}
    decoded.clear()
    assert mapsr("compare", small, large, other, "-o", tmp_path / "three.html").code == 0
    assert decoded == {"b.png": 1, "c.png": 2}
    page = (tmp_path / "three.html").read_text("utf-8")
    assert page.index("64 × 48 pixels; down") < page.index("32 × 24 pixels")


def test_one_picture_is_no_comparison(mapsr: Mapsr, tmp_path: Path) -> None:
    picture = save(scene(8, 8), tmp_path / "a.png")
    done = mapsr("compare", picture, "-o", tmp_path / "page.html")
    assert (done.code, "two pictures or more" in done.stderr) == (2, True)
    assert mapsr("compare", picture, tmp_path / "none.png", "-o", tmp_path / "page.html").code == 1


def test_outputs_that_exist_get_their_page_alone(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    picture = save(scene(12, 10), tmp_path / "a.png")
    words = ("upscale", picture, "-m", tiny_model, "--device", "cpu")
    assert mapsr(*words).code == 0
    before = (tmp_path / "a_x4.png").stat().st_mtime_ns
    assert mapsr(*words, "--compare", "--skip-existing").code == 0
    assert (tmp_path / "a_x4.png").stat().st_mtime_ns == before
    assert "gives a.png back" in (tmp_path / "a_x4.html").read_text("utf-8")
