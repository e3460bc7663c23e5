"""What an upscaled file says about its own making, in every format."""

from pathlib import Path

import pytest
import torch

from mapsr_cli.imaging import Provenance, read_picture, read_provenance, write_picture
from tests.pictures import scene

PROVENANCE = Provenance("natural-x4-affmse", "gaussian9", 4, 1.6, "ab" * 32, "0.1.0")


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp", "bmp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_formats_keep_levels_and_provenance(tmp_path: Path, suffix: str, channels: int) -> None:
    levels = scene(12, 9)[:channels]
    write_picture(tmp_path / f"a.{suffix}", levels, provenance=PROVENANCE)
    read = read_picture(tmp_path / f"a.{suffix}").levels
    # WebP knows no grey: it comes back as RGB of three equal channels.
    assert torch.equal(read, levels.byte().expand(len(read), -1, -1))
    assert read_provenance(tmp_path / f"a.{suffix}") == (None if suffix == "bmp" else PROVENANCE)
    assert list(tmp_path.iterdir()) == [tmp_path / f"a.{suffix}"]


def test_png_carries_text_chunks(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", scene(4, 4), provenance=PROVENANCE)
    assert b"tEXtmapsr-input-sha256\x00" + b"ab" * 32 in (tmp_path / "a.png").read_bytes()


def test_no_sigma_where_there_is_none() -> None:
    plain = Provenance("m", "bicubic", 4, None, "ab", "0.1.0")
    assert "mapsr-sigma" not in plain.to_text()
    assert Provenance.from_text(plain.to_text()) == plain


@pytest.mark.parametrize("text", [{}, {"mapsr-model": "m"}, {**PROVENANCE.to_text(), "mapsr-scale": "four"}])
def test_damaged_provenance_is_none(text: dict[str, str]) -> None:
    assert Provenance.from_text(text) is None


def test_a_file_that_says_nothing(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png", scene(4, 4))
    assert read_provenance(tmp_path / "a.png") is None
    assert read_provenance(tmp_path / "none.png") is None


@pytest.mark.parametrize("texture", [0.0, 0.25, 1.0])
def test_texture_is_kept_where_there_is_some(texture: float) -> None:
    mixed = Provenance("a + b", "bicubic", 4, None, "ab", "0.1.0", texture=texture)
    assert mixed.to_text()["mapsr-texture"] == f"{texture:g}"
    assert Provenance.from_text(mixed.to_text()) == mixed
