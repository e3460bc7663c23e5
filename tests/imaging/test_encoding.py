"""What is encoded is decoded again, sample by sample: by us, and by Pillow where it can."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.imaging import (
    FORMATS,
    Frames,
    Holds,
    Picture,
    Tags,
    encode,
    encode_frames,
    is_lossless,
    output_format,
    read_frames,
    read_picture,
    write_picture,
)
from mapsr_cli.imaging.png import png_bytes, text_chunk, with_chunks
from tests.pictures import scene


def textured(channels: int, peak: int, height: int = 11, width: int = 13) -> Tensor:
    """Smooth here, noise there, so that every filter of a PNG is some row's best."""
    generator = torch.Generator().manual_seed(channels)
    noise = torch.randint(0, peak + 1, (channels, height, width), generator=generator)
    smooth = torch.linspace(0, peak, width)[None, None] * torch.linspace(0.2, 1, height)[None, :, None]
    mixed = torch.where(torch.arange(height)[:, None] % 3 == 0, noise, smooth.expand_as(noise))
    return mixed.to(torch.uint8 if peak == 255 else torch.uint16)


def samples(picture: Picture) -> Tensor:
    return torch.cat([picture.levels] + ([] if picture.alpha is None else [picture.alpha])).int()


@pytest.mark.parametrize("peak", [255, 65535])
@pytest.mark.parametrize("alpha", [False, True])
@pytest.mark.parametrize("colours", [1, 3, 4])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP", "BMP"])
def test_every_sample(file_format: str, colours: int, alpha: bool, peak: int) -> None:
    holds = FORMATS[file_format].holds
    if (peak > 255 and not holds.deep) or (alpha and not holds.alpha) or (colours == 4 and (not holds.inks or alpha)):
        pytest.skip("not what this format holds")
    if colours == 4 and peak > 255:
        pytest.skip("no inks of 16 bits")
    picture = Picture(textured(colours, peak), peak, alpha=textured(1, peak) if alpha else None)
    read = read_picture(encode(picture, file_format, None, None), Holds(inks=True))
    assert read.peak == peak
    expected = samples(picture)
    if colours == 1 and (not holds.grey or (file_format == "TIFF" and alpha and peak > 255)):
        expected = torch.cat([expected[:1].expand(3, -1, -1), expected[1:]])
    assert torch.equal(samples(read), expected)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 40), (40, 1), (3, 2), (300, 7)])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF"])
def test_sixteen_bits_of_any_size(height: int, width: int, file_format: str) -> None:
    picture = Picture(textured(3, 65535, height, width), 65535)
    assert torch.equal(samples(read_picture(encode(picture, file_format, None, None))), samples(picture))


def test_strips_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mapsr_cli.imaging.encoding._STRIP", 500)
    monkeypatch.setattr("mapsr_cli.imaging.tiff._STRIP", 500)
    for file_format in ("PNG", "TIFF"):
        picture = Picture(textured(3, 65535, 50, 20), 65535)
        assert torch.equal(samples(read_picture(encode(picture, file_format, None, None))), samples(picture))


def test_filters_pay() -> None:
    smooth = (torch.arange(200)[:, None] * 60 + torch.arange(200)[None] * 40).expand(3, -1, -1)
    assert len(encode(Picture(smooth.to(torch.uint16), 65535), "PNG", None, None)) < 240_000 / 20


def test_text_beyond_latin() -> None:
    text = {"mapsr-model": "名", "mapsr-kernel": "é"}
    png = png_bytes((1, 1, 1), [np.zeros((1, 1, 1), np.uint16)])
    data = with_chunks(png, [text_chunk(key, value) for key, value in text.items()])
    image = Image.open(io.BytesIO(data))
    assert (image.info["mapsr-model"], image.info["mapsr-kernel"]) == ("名", "é")


@pytest.mark.parametrize(("file_format", "alpha"), [("PNG", False), ("PNG", True), ("TIFF", True), ("WEBP", False)])
def test_animations(file_format: str, alpha: bool) -> None:
    pictures = [
        Picture(scene(9, 7, seed).byte(), alpha=scene(9, 7, seed + 5)[:1].byte() if alpha else None)
        for seed in (0, 1, 1, 2)
    ]
    frames = Frames(tuple(pictures), () if file_format == "TIFF" else (40, 50, 60, 70), 2)
    read = read_frames(encode_frames(frames, file_format, None, None))
    assert len(read.distinct) == len(frames.distinct) == 3
    for found, expected in zip(read.distinct, frames.distinct, strict=True):
        assert torch.equal(samples(found), samples(expected))
    assert sum(read.durations) == sum(frames.durations)


@pytest.mark.parametrize("peak", [255, 65535])
def test_profiles_larger_than_pillow_likes(peak: int) -> None:
    icc = bytes(16) + b"RGB " + bytes(2 << 20)
    picture = Picture(textured(3, peak), peak, tags=Tags(icc))
    assert read_picture(encode(picture, "PNG", None, None)).tags.icc == icc


def test_pages_of_sixteen_bits() -> None:
    pages = Frames(tuple(Picture(textured(3, 65535, 5 + 0 * i, 6), 65535) for i in range(3)))
    read = read_frames(encode_frames(pages, "TIFF", None, None))
    assert len(read.pictures) == 3
    assert torch.equal(samples(read.pictures[2]), samples(pages.pictures[2]))


def test_one_frame_where_there_is_room_for_one() -> None:
    frames = Frames((Picture(scene(4, 4).byte()),) * 2)
    with pytest.raises(ImageError, match="one frame"):
        encode_frames(frames, "JPEG", None, None)


def test_a_pillow_without_the_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "SAVE", {name: save for name, save in Image.SAVE.items() if name != "AVIF"})
    with pytest.raises(ImageError, match="cannot write AVIF"):
        encode(Picture(scene(4, 4).byte()), "AVIF", None, None)


def test_a_tiff_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mapsr_cli.imaging.tiff.LIMIT", 1 << 20)
    with pytest.raises(ImageError, match="4 GiB"):
        encode(Picture(scene(4, 4).byte()), "TIFF", None, None)


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
    with pytest.raises(UsageError, match="'small' is no file format, and has no suffix of one"):
        output_format("small")


def test_too_large_for_the_format(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="cannot encode"):
        write_picture(tmp_path / "a.webp", torch.zeros(1, 2, 17000))
