from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging import read_picture
from tests.pictures import save, scene


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_files_are_read_to_the_level(tmp_path: Path, suffix: str, channels: int) -> None:
    levels = scene(9, 13)[:channels]
    path = save(levels, tmp_path / f"a.{suffix}")
    if suffix == "bmp":
        with pytest.raises(ImageError):
            read_picture(path)
        return
    picture = read_picture(path)
    assert picture.levels.dtype == torch.uint8
    assert torch.equal(picture.levels, levels.byte())
    assert picture.peak == 255


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_lossy_files_are_read_as_pillow_decodes_them(tmp_path: Path, suffix: str) -> None:
    path = save(scene(16, 24), tmp_path / f"a.{suffix}")
    with Image.open(path) as image:
        expected = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    assert torch.equal(read_picture(path).levels, expected)


def test_bytes_and_paths_are_the_same_file(tmp_path: Path) -> None:
    path = save(scene(5, 5), tmp_path / "a.png")
    from_path, from_bytes = read_picture(path), read_picture(path.read_bytes())
    assert from_path.sha256 == from_bytes.sha256
    assert torch.equal(from_path.levels, from_bytes.levels)


def test_orientation_is_applied(tmp_path: Path) -> None:
    levels = scene(4, 6)
    image = Image.fromarray(levels.byte().permute(1, 2, 0).contiguous().numpy())
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter clockwise
    image.save(tmp_path / "a.png", exif=exif)
    assert torch.equal(read_picture(tmp_path / "a.png").levels, levels.byte().rot90(-1, (1, 2)))


@pytest.mark.parametrize("mode", ["1", "P", "RGBA", "LA"])
def test_modes_that_rgb_or_grey_hold_without_loss(tmp_path: Path, mode: str) -> None:
    grey = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) * 5)
    image = grey.convert("RGB").quantize(16) if mode == "P" else grey.convert(mode)
    image.save(tmp_path / "a.png")
    plain = image.convert("RGB" if mode in ("P", "RGBA") else "L")
    read = read_picture(tmp_path / "a.png").levels
    expected = torch.from_numpy(np.array(plain))
    assert torch.equal(read, expected[None] if expected.dim() == 2 else expected.permute(2, 0, 1))


@pytest.mark.parametrize("mode", ["RGBA", "LA", "I;16", "CMYK"])
def test_modes_that_they_cannot_hold_are_refused(tmp_path: Path, mode: str) -> None:
    if mode == "I;16":
        Image.fromarray(np.full((4, 4), 40000, dtype=np.uint16)).save(tmp_path / "a.png")
    elif mode == "CMYK":
        Image.new("CMYK", (4, 4)).save(tmp_path / "a.jpg")
    else:
        Image.new(mode, (4, 4), (7,) * (len(mode) - 1) + (100,)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="not supported yet"):
        read_picture(next(tmp_path.iterdir()))


def test_animations_are_refused_with_their_frame_count(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), (i, 0, 0)) for i in range(3)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    with pytest.raises(ImageError, match="3 frames"):
        read_picture(tmp_path / "a.webp")


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0junk"])
def test_what_is_no_picture(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.png"):
        read_picture(tmp_path / "a.png")


def test_cut_short(tmp_path: Path) -> None:
    path = save(scene(64, 64), tmp_path / "a.png")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ImageError):
        read_picture(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(ImageError):
            read_picture(path)


def test_decompression_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(scene(40, 40), tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(ImageError, match="bomb"):
        read_picture(path)
