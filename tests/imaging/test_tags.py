"""Profile and EXIF come through, with what is no longer true put right."""

import io
from typing import Any

import pytest
import torch
from PIL import ExifTags, Image, ImageCms
from PIL.TiffImagePlugin import IFDRational

from mapsr_cli.imaging import FORMATS, Picture, Provenance, Tags, encode, read_picture
from mapsr_cli.imaging.tags import HISTORY
from tests.pictures import HAS_AVIF, scene

SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
EXIF, GPS = ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo
PROVENANCE = Provenance("m", "bicubic", 4, None, "ab", "0")
LEVELS = scene(8, 12).byte()
CARRIERS = [name for name in FORMATS if name != "BMP" and (name != "AVIF" or HAS_AVIF)]


def photographed(**options: Any) -> bytes:
    """A JPEG as a camera makes it: on its side, with a caption, exposure, sizes and a place."""
    exif = Image.Exif()
    exif[0x010E], exif[0x010F], exif[0x0112] = "Cat — Ελλάδα", "Maker", 6
    exif[0x0100], exif[0x0101] = 12, 8
    exif[EXIF] = {0x829A: IFDRational(1, 30), 0xA002: 12, 0xA003: 8, 0x9214: (6, 4), 0x9286: b"ASCII\0\0\0remark"}
    exif[GPS] = {1: "N", 2: (IFDRational(37), IFDRational(58), IFDRational(1, 2))}
    buffer = io.BytesIO()
    image = Image.fromarray(LEVELS.permute(1, 2, 0).contiguous().numpy())
    image.save(buffer, "JPEG", exif=exif, icc_profile=SRGB, **options)
    return buffer.getvalue()


def written(picture: Picture, file_format: str) -> Image.Image:
    image = Image.open(io.BytesIO(encode(picture, file_format, None, PROVENANCE)))
    image.load()
    return image


@pytest.mark.parametrize("file_format", CARRIERS)
def test_come_through_every_format(file_format: str) -> None:
    picture = read_picture(photographed())
    assert picture.size == (8, 12)
    larger = Picture(picture.levels.repeat(1, 2, 2), tags=picture.tags)
    image = written(larger, file_format)
    exif = image.getexif()
    assert image.info["icc_profile"] == SRGB
    assert (exif[0x010F], exif.get(0x0112, 1)) == ("Maker", 1)
    inner = exif.get_ifd(EXIF)
    assert inner[0x829A] == IFDRational(1, 30)
    assert (inner[0xA002], inner[0xA003]) == (16, 24)
    assert 0x9214 not in inner
    assert exif.get_ifd(GPS)[1] == "N"
    if file_format != "TIFF":  # where they are the file's own
        assert 0x0100 not in exif


@pytest.mark.parametrize("file_format", CARRIERS)
def test_come_through_twice(file_format: str) -> None:
    once = encode(read_picture(photographed()), file_format, None, PROVENANCE)
    twice = encode(read_picture(once), file_format, None, PROVENANCE)
    image = Image.open(io.BytesIO(twice))
    assert image.getexif()[0x010F] == "Maker"
    assert image.info["icc_profile"] == SRGB


def test_sixteen_bit_png_carries_them_too() -> None:
    tags = read_picture(photographed()).tags
    image = written(Picture((LEVELS.int() * 257).to(torch.uint16), 65535, tags=tags), "PNG")
    assert image.info["icc_profile"] == SRGB
    assert image.getexif()[0x010F] == "Maker"
    assert image.info["mapsr-model"] == "m"


def test_a_profile_of_another_colour_space_is_left_out() -> None:
    tags = Tags(icc=SRGB)
    assert tags.icc_for(3) == SRGB
    assert tags.icc_for(1) is None
    assert "icc_profile" not in written(Picture(LEVELS[:1], tags=tags), "PNG").info


def test_damaged_exif_does_not_stand_in_the_way() -> None:
    whole = photographed()
    at = whole.index(b"Exif\0\0") + 6
    for cut in range(8, 120, 7):
        damaged = whole[: at + cut] + bytes(60) + whole[at + cut + 60 :]
        assert read_picture(damaged).levels.shape[0] == 3


def test_exif_too_long_for_a_jpeg_is_left_out() -> None:
    exif = Image.Exif()
    exif[EXIF] = {0x927C: bytes(70_000)}
    data = encode(Picture(LEVELS, tags=Tags(exif=exif.tobytes())), "JPEG", None, PROVENANCE)
    exif = Image.open(io.BytesIO(data)).getexif()
    assert list(exif) == [HISTORY]  # but what was made by whom is there
    assert exif[HISTORY] == PROVENANCE.to_json()
