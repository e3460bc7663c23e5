from pathlib import Path

import pytest
import torch

from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.imaging import (
    Provenance,
    check_target,
    is_lossless,
    output_format,
    read_picture,
    read_provenance,
    write_bytes,
    write_picture,
)
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


def test_quality_matters(tmp_path: Path) -> None:
    for quality in (20, 95):
        write_picture(tmp_path / f"{quality}.jpg", scene(64, 64), quality=quality)
    assert (tmp_path / "20.jpg").stat().st_size < (tmp_path / "95.jpg").stat().st_size / 2


def test_which_formats_are_lossless() -> None:
    names = ("PNG", "TIFF", "BMP", "WEBP", "JPEG", "AVIF")
    assert [is_lossless(f, None) for f in names] == [True, True, True, True, False, False]
    assert [is_lossless(f, 90) for f in names] == [True, True, True, False, False, False]


def test_formats_by_name() -> None:
    assert [output_format(n) for n in ("a.JPG", "b.tiff", "png", "webp")] == ["JPEG", "TIFF", "PNG", "WEBP"]
    with pytest.raises(UsageError, match=r"\.gif"):
        output_format("a.gif")


@pytest.fixture(params=["nameless", "hidden"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of writing: where files may go without a name, and where they may not."""
    if request.param == "hidden":
        monkeypatch.setattr("mapsr_cli.imaging.writing._write_nameless", lambda path, data, overwrite: False)


@pytest.mark.usefixtures("way")
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"before")

    def full(self: Path, other: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(ImageError, match="No space left") as failed:
        write_bytes(target, b"after")
    assert "--skip-existing" in failed.value.hint
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("way")
def test_a_name_that_was_taken_meanwhile(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    write_bytes(target, b"first", overwrite=False)
    with pytest.raises(FileExistsError):
        write_bytes(target, b"second", overwrite=False)
    assert target.read_bytes() == b"first"
    write_bytes(target, b"second", overwrite=True)
    assert target.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("way")
def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_bytes(tmp_path / "a.png", b"data")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.usefixtures("way")
def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"mine")
    (tmp_path / "a.png").symlink_to(tmp_path / "precious")
    with pytest.raises(ImageError, match="exists"):
        check_target(tmp_path / "a.png", overwrite=False)
    write_bytes(tmp_path / "a.png", b"data")
    assert (tmp_path / "precious").read_bytes() == b"mine"
    assert not (tmp_path / "a.png").is_symlink()


def test_a_link_to_nowhere_exists(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(ImageError, match="exists"):
        check_target(tmp_path / "a.png", overwrite=False)


def test_a_link_into_a_locked_folder_exists(tmp_path: Path, locked: Path) -> None:
    (tmp_path / "a.png").symlink_to(locked / "a.png")
    with pytest.raises(ImageError, match="exists"):
        check_target(tmp_path / "a.png", overwrite=False)
    with pytest.raises(ImageError, match="cannot write"):
        check_target(locked / "a.png", overwrite=False)


@pytest.mark.parametrize("name", ["x" * 256, "nul\0byte"])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError):
        check_target(tmp_path / name, overwrite=False)


def test_devices_and_folders_are_left_alone(tmp_path: Path) -> None:
    for path in (Path("/dev/null"), tmp_path):
        with pytest.raises(ImageError, match="not a plain file"):
            check_target(path, overwrite=True)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot write"):
        write_bytes(tmp_path / "no" / "a.png", b"data")


def test_too_large_for_the_format(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot encode"):
        write_picture(tmp_path / "a.webp", torch.zeros(1, 2, 17000))
