"""The coefficients of a JPEG are those of its decoded pixels, whatever its kind; what cannot be read is said."""

import io
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image

from mapsr_cli.imaging import FORMATS, Picture, read_frames
from tests.jpegs import GRIDS, KINDS, jpeg, photograph

CASES = Path(__file__).parents[1] / "cases"
SIZES = [(64, 96), (61, 83)]


def read(data: bytes | Path) -> Picture:
    return read_frames(data, FORMATS["PNG"].holds, coefficients=True).pictures[0]


def mild(height: int, width: int) -> Image.Image:
    """Levels that keep clear of 0 and 255: clipped pixels have other coefficients than the stored ones."""
    return photograph(height, width, seed=3).point(lambda v: 40 + 2 * v // 3)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_decoded_pixels_lie_in_the_cells(kind: str, size: tuple[int, int]) -> None:
    """Luma and full-size chroma but for rounding to levels; and of subsampled chroma most, as it is interpolated."""
    picture = read(jpeg(kind, mild(*size), quality=70))
    assert picture.jpeg is not None
    assert not picture.notes
    x = picture.levels.double()
    cells = picture.jpeg.cells(x)
    assert len(x) == (1 if kind == "grey" else 3)
    assert cells.tables.rgb == (kind == "RGB")
    if kind in GRIDS:
        assert cells.tables.grids[1:] == (GRIDS[kind],) * 2
    off, limited = cells.violation(x), cells.half.isfinite()
    rows, cols = (n - n % 8 for n in size)
    assert int(limited[0].sum()) == rows * cols
    assert (off[0] > 1.5).sum() == 0
    assert (off[limited] > 0).float().mean() < 0.03
    assert (cells.middle[0][limited[0]].abs() <= cells.half[0][limited[0]] + 1.5).all()


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("kind", ["4:2:0", "4:2:2", "grey"])
def test_every_orientation(kind: str, turn: int) -> None:
    picture = read(jpeg(kind, mild(61, 83), 70, turn))
    assert picture.jpeg is not None
    assert picture.size == ((61, 83) if turn >= 5 else (83, 61))
    x = picture.levels.double()
    stored = picture.jpeg.as_stored(x)
    assert stored.shape[-2:] == (61, 83)
    assert torch.equal(picture.jpeg.as_seen(stored), x)
    assert (picture.jpeg.cells(x).violation(stored)[0] > 1.5).sum() == 0


def test_a_grey_file_seen_as_rgb() -> None:
    data = jpeg("grey", mild(40, 48), 70)
    picture = read_frames(data, FORMATS["WEBP"].holds, coefficients=True).pictures[0]
    assert picture.jpeg is not None
    cells = picture.jpeg.cells(picture.levels.double())
    assert len(cells.x) == 3
    assert cells.half[0].isfinite().all()
    assert not cells.half[1:].isfinite().any()
    assert cells.violation(cells.x).max() < 1.5


def test_only_where_they_are_asked_for() -> None:
    data = jpeg("4:2:0", mild(40, 48))
    assert read_frames(data).pictures[0].jpeg is None
    buffer = io.BytesIO()
    mild(8, 8).save(buffer, "PNG")
    picture = read(buffer.getvalue())
    assert picture.jpeg is None
    assert not picture.notes


def noted(data: bytes) -> str:
    picture = read(data)
    assert picture.jpeg is None
    return picture.notes[-1]


def test_cmyk_is_said() -> None:
    buffer = io.BytesIO()
    mild(40, 48).convert("CMYK").save(buffer, "JPEG")
    assert "CMYK" in noted(buffer.getvalue())


def test_arithmetic_coding_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    """By us alone: libjpeg has a line of its own."""
    assert "coding is not supported" in noted((CASES / "arithmetic.jpg").read_bytes())
    assert capfd.readouterr().err == ""


def test_damage_is_said(capfd: pytest.CaptureFixture[str]) -> None:
    """Pillow decodes such a file without a word, libjpeg with one on standard error, which stays silent here."""
    data, said = bytearray(jpeg("4:2:0", photograph(64, 96), 90)), 0
    for at in range(700, len(data) - 20, 97):
        damaged = bytes(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :])
        picture = read(damaged)
        said += picture.jpeg is None
        assert picture.jpeg is not None or "damaged" in picture.notes[-1]
    assert said > 5
    assert capfd.readouterr().err == ""


def test_without_jpeglib(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jpeglib", None)
    monkeypatch.setattr("mapsr_cli.imaging.coefficients.find_spec", lambda name: None)
    note = noted(jpeg("4:2:0", mild(40, 48)))
    assert "pip install jpeglib" in note
    assert "levels are taken as exact" in note


def test_many_segments_and_several_pictures() -> None:
    """Phones put dozens of segments before the picture, and a preview behind it."""
    data = jpeg("4:2:0", mild(64, 96))
    segment = b"\xff\xe5" + (2000).to_bytes(2, "big") + bytes(1998)
    stuffed = data[:2] + 120 * segment + data[2:]
    picture, plain = read(stuffed), read(data)
    assert picture.jpeg is not None
    assert plain.jpeg is not None
    assert all(torch.equal(a, b) for a, b in zip(picture.jpeg.stored, plain.jpeg.stored, strict=True))
    buffer = io.BytesIO()
    mild(64, 96).save(buffer, "MPO", save_all=True, append_images=[mild(16, 24)])
    both = read(buffer.getvalue())
    assert both.jpeg is not None
    assert both.jpeg.stored[0].shape[:2] == (8, 12)
