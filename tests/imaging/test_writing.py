from pathlib import Path

import pytest
import torch

from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.imaging import (
    Provenance,
    is_lossless,
    output_format,
    read_picture,
    read_provenance,
    write_bytes,
    write_picture,
)
from tests.pictures import scene

PROVENANCE = Provenance("natural-x4-affmse", "gaussian9", 4, 1.6, "ab" * 32, "0.1.0")


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_formats_keep_levels_and_provenance(tmp_path: Path, suffix: str, channels: int) -> None:
    levels = scene(12, 9)[:channels]
    write_picture(tmp_path / f"a.{suffix}", levels, provenance=PROVENANCE)
    read = read_picture(tmp_path / f"a.{suffix}").levels
    # WebP knows no grey: it comes back as RGB of three equal channels.
    assert torch.equal(read, levels.byte().expand(len(read), -1, -1))
    assert read_provenance(tmp_path / f"a.{suffix}") == PROVENANCE
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


def test_quality_matters(tmp_path: Path) -> None:
    for quality in (20, 95):
        write_picture(tmp_path / f"{quality}.jpg", scene(64, 64), quality=quality)
    assert (tmp_path / "20.jpg").stat().st_size < (tmp_path / "95.jpg").stat().st_size / 2


def test_which_formats_are_lossless() -> None:
    assert [is_lossless(f, None) for f in ("PNG", "TIFF", "WEBP", "JPEG")] == [True, True, True, False]
    assert not is_lossless("WEBP", 90)


def test_formats_by_name() -> None:
    assert [output_format(n) for n in ("a.JPG", "b.tiff", "png", "webp")] == ["JPEG", "TIFF", "PNG", "WEBP"]
    with pytest.raises(UsageError, match=r"\.gif"):
        output_format("a.gif")


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"before")

    def full(self: Path, other: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ImageError, match="No space left"):
        write_bytes(target, b"after")
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot write"):
        write_bytes(tmp_path / "no" / "a.png", b"data")


def test_too_large_for_the_format(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot encode"):
        write_picture(tmp_path / "a.webp", torch.zeros(1, 2, 17000))
