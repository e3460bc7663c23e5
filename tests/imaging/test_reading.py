import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging import FORMATS, Holds, encode_frames, read_frames, read_picture
from mapsr_cli.imaging.picture import interleaved
from tests.pictures import HAS_AVIF, save, scene


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossless_files_are_read_to_the_level(tmp_path: Path, suffix: str, channels: int) -> None:
    levels = scene(9, 13)[:channels]
    path = save(levels, tmp_path / f"a.{suffix}")
    picture = read_picture(path)
    assert picture.levels.dtype == torch.uint8
    assert torch.equal(picture.levels, levels.byte())
    assert picture.peak == 255


@pytest.mark.parametrize("suffix", ["jpg", "webp", "avif"])
def test_lossy_files_are_read_as_pillow_decodes_them(tmp_path: Path, suffix: str) -> None:
    if suffix == "avif" and not HAS_AVIF:
        pytest.skip("this Pillow has no AVIF")
    path = save(scene(16, 24), tmp_path / f"a.{suffix}")
    with Image.open(path) as image:
        expected = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    assert torch.equal(read_picture(path).levels, expected)


def test_bytes_and_paths_are_the_same_file(tmp_path: Path) -> None:
    path = save(scene(5, 5), tmp_path / "a.png")
    from_path = read_picture(path)
    for same in (read_picture(str(path)), read_picture(path.read_bytes())):
        assert from_path.sha256 == same.sha256
        assert torch.equal(from_path.levels, same.levels)


def test_animations_are_refused_with_their_frame_count(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (4, 4), (i, 0, 0)) for i in range(3)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:], lossless=True)
    with pytest.raises(ImageError, match="3 frames"):
        read_picture(tmp_path / "a.webp")


@pytest.mark.parametrize("data", [b"", b"not a picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0junk"])
def test_what_is_no_picture(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.png").write_bytes(data)
    with pytest.raises(ImageError, match=r"a\.png") as refused:
        read_picture(tmp_path / "a.png")
    assert "BytesIO" not in str(refused.value)  # Pillow names what it read from


def test_cut_short(tmp_path: Path) -> None:
    path = save(scene(64, 64), tmp_path / "a.png")
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(ImageError):
        read_picture(path)


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "none.png", tmp_path):
        with pytest.raises(ImageError):
            read_picture(path)


def test_decompression_bombs_are_refused_unless_asked_for(tmp_path: Path) -> None:
    path = save(scene(40, 40), tmp_path / "a.png")
    with pytest.raises(ImageError, match="bomb") as refused:
        read_picture(path, max_pixels=1599)
    assert "--max-pixels 1600" in refused.value.hint
    assert read_picture(path, max_pixels=1600).size == (40, 40)
    with pytest.raises(ImageError, match="bomb") as refused:
        read_picture(path, max_pixels=10)
    assert "--max-pixels 1600" in refused.value.hint


def test_pillows_own_limit_is_left_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = save(scene(40, 40), tmp_path / "a.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert read_picture(path).size == (40, 40)
    assert Image.MAX_IMAGE_PIXELS == 10


def test_a_picture_larger_than_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_much(*_: object) -> None:
        raise MemoryError

    path = save(scene(4, 4), tmp_path / "a.png")
    monkeypatch.setattr("mapsr_cli.imaging.reading.decode", too_much)
    with pytest.raises(ImageError, match=r"a\.png: more than memory can hold"):
        read_picture(path)


def test_devices_are_refused() -> None:
    with pytest.raises(ImageError, match="device"):
        read_picture(Path("/dev/zero"))


def test_a_phone_s_picture_with_a_preview_is_one_picture(tmp_path: Path) -> None:
    """Phones append a second JPEG (MPO)."""
    image, preview = Image.new("RGB", (8, 6), (9, 99, 200)), Image.new("RGB", (4, 3))
    image.save(tmp_path / "a.jpg", "MPO", save_all=True, append_images=[preview])
    assert read_picture(tmp_path / "a.jpg").size == (8, 6)


@pytest.mark.parametrize(("suffix", "loops"), [("png", 3), ("webp", 3), ("tif", 0), ("gif", 2)])
def test_frames(tmp_path: Path, suffix: str, loops: int) -> None:
    images = [Image.new("RGB", (6, 5), (50 * i, 0, 255)) for i in range(3)]
    options: dict[str, Any] = {"lossless": True} if suffix == "webp" else {}
    path = tmp_path / f"a.{suffix}"
    images[0].save(path, save_all=True, append_images=images[1:], duration=[40, 50, 60], loop=loops, **options)
    frames = read_frames(path)
    assert [tuple(p.levels[:, 0, 0].tolist()) for p in frames.pictures] == [(0, 0, 255), (50, 0, 255), (100, 0, 255)]
    assert frames.durations == (() if suffix == "tif" else (40, 50, 60))
    assert frames.loop == (loops + 1 if suffix == "gif" else loops)  # a GIF counts what follows the first time
    assert len(frames.distinct) == 3


@pytest.mark.parametrize("file_format", ["PNG", "WEBP"])
def test_a_gif_that_plays_once_does_so_in_other_formats(tmp_path: Path, file_format: str) -> None:
    images = [Image.new("RGB", (6, 5), (50 * i, 0, 255)) for i in range(2)]
    for loop, plays in ((None, 1), (0, 0), (1, 2), (65535, 65535)):
        images[0].save(tmp_path / "a.gif", save_all=True, append_images=images[1:], loop=loop)
        frames = read_frames(tmp_path / "a.gif")
        assert frames.loop == plays
        with Image.open(io.BytesIO(encode_frames(frames, file_format, None, None))) as written:
            assert written.info["loop"] == plays  # for both, how often it plays; 0 is for ever


def test_pages_of_different_depths_are_refused_where_both_are_kept(tmp_path: Path) -> None:
    pages = [Image.new("L", (4, 4)), Image.fromarray(np.zeros((4, 4), np.uint16))]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ImageError, match="8 and of 16 bits"):
        read_frames(tmp_path / "a.tif")
    assert len(read_frames(tmp_path / "a.tif", Holds(deep=False)).pictures) == 2


@pytest.mark.parametrize(
    ("kinds", "kind"), [("L LA", "LA"), ("LA RGB", "RGBA"), ("L RGB", "RGB"), ("RGB RGBA", "RGBA")]
)
def test_pages_of_several_kinds(kinds: str, kind: str) -> None:
    """Are kept so where the output has pages, and of one kind where it has frames."""
    clear = Image.new("RGBA", (4, 4), (90, 90, 90, 7))
    pages = [clear.convert(mode) for mode in kinds.split()]
    buffer = io.BytesIO()
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    kept = read_frames(buffer.getvalue(), FORMATS["TIFF"].holds).pictures
    assert [picture.samples for picture in kept] == [len(mode) for mode in kinds.split()]
    alike = read_frames(buffer.getvalue(), FORMATS["PNG"].holds).pictures
    for picture, page in zip(alike, pages, strict=True):
        assert np.array_equal(interleaved(picture), np.array(page.convert(kind)).reshape(4, 4, -1))


def test_pages_of_different_sizes_are_refused(tmp_path: Path) -> None:
    pages = [Image.new("L", (4, 4)), Image.new("L", (5, 4))]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    with pytest.raises(ImageError, match="different sizes"):
        read_frames(tmp_path / "a.tif")
