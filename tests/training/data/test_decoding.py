import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import ExifTags, Image

from mapsr_cli.training.data.decoding import (
    ByteLevels,
    UnreadableError,
    crop,
    decode,
    levels,
    looks_like_image,
    oriented_size,
    size_of,
)
from tests.pictures import save, scene
from tests.training.data.conftest import encoded

RGB = Image.fromarray(scene(20, 12).byte().permute(1, 2, 0).contiguous().numpy())
LEVELS = np.asarray(RGB).transpose(2, 0, 1)
LUMA = np.asarray(RGB.convert("L"))


def written(image: Image.Image, path: Path, **options: Any) -> Path:
    image.save(path, **options)
    return path


def pixels_of(source: Path | bytes, colours: int) -> ByteLevels:
    return levels(decode(source, colours))


@pytest.mark.parametrize("suffix", ["png", "webp", "tif", "bmp", "ppm"])
def test_lossless_formats(tmp_path: Path, suffix: str) -> None:
    path = written(RGB, tmp_path / f"a.{suffix}", **({"lossless": True} if suffix == "webp" else {}))
    assert np.array_equal(pixels_of(path, 3), LEVELS)
    assert np.array_equal(pixels_of(path.read_bytes(), 3), LEVELS)
    assert np.array_equal(pixels_of(path, 1), LUMA[None])
    assert oriented_size(path) == (20, 12)


@pytest.mark.parametrize("mode", ["L", "LA", "1"])
def test_grey_becomes_rgb(tmp_path: Path, mode: str) -> None:
    image = RGB.convert("L").convert(mode)
    expected = np.asarray(image.convert("L"))
    path = written(image, tmp_path / "a.png")
    assert np.array_equal(pixels_of(path, 3), np.stack([expected] * 3))
    assert np.array_equal(pixels_of(path, 1), expected[None])


def test_alpha_is_dropped(tmp_path: Path) -> None:
    image = RGB.copy()
    image.putalpha(Image.linear_gradient("L").resize(RGB.size))
    assert np.array_equal(pixels_of(written(image, tmp_path / "a.png"), 3), LEVELS)


@pytest.mark.parametrize("options", [{}, {"transparency": 3}, {"transparency": bytes(range(256))}])
def test_palettes(tmp_path: Path, options: dict[str, object]) -> None:
    image = RGB.quantize(256)
    expected = np.asarray(image.convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(pixels_of(written(image, tmp_path / "a.png", **options), 3), expected)


def test_cmyk(tmp_path: Path) -> None:
    path = written(RGB.convert("CMYK"), tmp_path / "a.tif")
    assert np.array_equal(pixels_of(path, 3), LEVELS)


def test_sixteen_bits_of_grey_are_scaled(tmp_path: Path) -> None:
    wide = np.array([[0, 128, 129, 257 * 100], [257 * 200, 65535, 257 * 7 + 128, 257 * 7 + 129]], dtype=np.uint16)
    path = written(Image.fromarray(wide), tmp_path / "a.png")
    assert pixels_of(path, 1)[0].tolist() == [[0, 0, 1, 100], [200, 255, 7, 8]]
    assert pixels_of(path, 3).shape == (3, 2, 4)


def test_sixteen_bits_of_colour(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    pixels = struct.pack(">6H", 0, 257 * 50, 65535, 257 * 1, 257 * 2, 257 * 3)
    header = struct.pack(">IIBBBBB", 2, 1, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" + pixels)) + chunk(b"IEND", b"")
    assert pixels_of(b"\x89PNG\r\n\x1a\n" + body, 3)[:, 0].T.tolist() == [[0, 50, 255], [1, 2, 3]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tif"])
def test_orientation_is_honoured(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    path = written(RGB, tmp_path / f"a.{suffix}", exif=exif)
    pixels = pixels_of(path, 3)
    assert pixels.shape[1:] == ((20, 12) if orientation < 5 else (12, 20))
    assert oriented_size(path) == pixels.shape[1:]
    if suffix == "png" and orientation == 6:  # the camera's top is on the right
        assert np.array_equal(pixels, np.rot90(LEVELS, -1, axes=(1, 2)))


@pytest.mark.parametrize(
    "content", [b"", b"no image", encoded(scene(40, 40))[:900], encoded(scene(40, 40), "JPEG")[:700]]
)
def test_damage(tmp_path: Path, content: bytes) -> None:
    with pytest.raises(UnreadableError):
        decode(content, 3)


def test_floats_have_no_range(tmp_path: Path) -> None:
    path = written(Image.fromarray(np.zeros((4, 4), dtype=np.float32)), tmp_path / "a.tif")
    with pytest.raises(UnreadableError, match="floating-point"):
        decode(path, 3)


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError):
        oriented_size(tmp_path / "a.png")
    with pytest.raises(UnreadableError):
        decode(tmp_path / "a.png", 3)


def test_names() -> None:
    assert looks_like_image("a/b.JPG")
    assert looks_like_image("c.png")
    assert not looks_like_image("a/._b.jpg")
    assert not looks_like_image("a.json")


def test_the_size_is_of_the_header(tmp_path: Path) -> None:
    whole = save(scene(33, 17), tmp_path / "a.png").read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[:200])
    assert oriented_size(tmp_path / "cut.png") == (33, 17)


@pytest.mark.parametrize("colours", [1, 3])
def test_parts_of_both_kinds_of_image(colours: int) -> None:
    image = decode(encoded(scene(20, 12)), colours)
    pixels = levels(image)
    assert size_of(image) == size_of(pixels) == (20, 12)
    for part in (crop(image, 3, 5, (10, 6)), crop(pixels, 3, 5, (10, 6))):
        assert np.array_equal(part, pixels[:, 3:13, 5:11])
