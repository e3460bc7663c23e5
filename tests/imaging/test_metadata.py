"""What a file says beside its pixels, from each format into each: kept, or named in one line."""

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import ExifTags, Image, ImageCms

from mapsr_cli.imaging import FORMATS, Picture, Provenance, Tags, encode, read_picture, read_provenance
from mapsr_cli.imaging.exif import ASCII, BYTE, EXIF, GPS, ROOT, SHORT, Entry, exif_bytes, numbers, read_directories
from mapsr_cli.imaging.png import COLOUR_CHUNKS, TEXT_CHUNKS, read_chunks
from mapsr_cli.imaging.tag_reading import is_ours
from mapsr_cli.imaging.tags import HISTORY
from tests.pictures import HAS_AVIF, scene

CASES = Path(__file__).parents[1] / "cases"
PROVENANCE = Provenance("m", "bicubic", 4, None, "ab", "0")
FORMAT_NAMES = [name for name in FORMATS if name != "AVIF" or HAS_AVIF]
WITH_EXIF = [name for name in FORMAT_NAMES if name != "BMP"]
ARTIST, COPYRIGHT, LENS, COMMENT = 0x013B, 0x8298, 0xA434, 0x9286


def larger(data: bytes | Path, scale: int = 4) -> Picture:
    """What a file holds, with as many pixels as an upscaled one has."""
    picture = read_picture(data)
    levels = picture.levels.repeat_interleave(scale, 1).repeat_interleave(scale, 2)
    return Picture(levels, picture.peak, picture.sha256, tags=picture.tags)


def again(picture: Picture, file_format: str) -> Tags:
    """The metadata of a picture that was written and read."""
    return read_picture(encode(picture, file_format, None, PROVENANCE)).tags


def with_exif(exif: bytes) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4)).save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


def directories(tags: Tags) -> dict[int, dict[int, Entry]]:
    assert tags.exif is not None
    return read_directories(io.BytesIO(tags.exif.removeprefix(b"Exif\0\0")))


def big_endian() -> bytes:
    """EXIF as cameras of another byte order write it: text in UTF-8, a version (UNDEFINED), a ratio, a SHORT."""
    text, version = "© Zoë Šťastná\0".encode(), b"0232"
    table = struct.pack(">H", 3)
    table += struct.pack(">HHI4s", COPYRIGHT, 2, len(text), struct.pack(">I", 8 + 2 + 3 * 12 + 4))
    table += struct.pack(">HHIHH", 0x0112, 3, 1, 1, 0)
    at = 8 + 2 + 3 * 12 + 4 + len(text)
    table += struct.pack(">HHII", 0x8769, 4, 1, at) + bytes(4) + text
    inner = struct.pack(">H", 2) + struct.pack(">HHI4s", 0x9000, 7, 4, version)
    inner += struct.pack(">HHII", 0x829A, 5, 1, at + 2 + 2 * 12 + 4) + bytes(4) + struct.pack(">II", 1, 250)
    return b"Exif\0\0" + struct.pack(">2sHI", b"MM", 42, 8) + table + inner


@pytest.mark.parametrize("file_format", WITH_EXIF)
def test_exif_keeps_its_bytes_and_types(file_format: str) -> None:
    exif = directories(again(larger(with_exif(big_endian())), file_format))
    assert exif[ROOT][COPYRIGHT] == Entry(ASCII, "© Zoë Šťastná\0".encode())
    assert exif[EXIF][0x9000] == Entry(7, b"0232")
    assert exif[EXIF][0x829A] == Entry(5, struct.pack("<II", 1, 250))


@pytest.mark.parametrize("file_format", WITH_EXIF)
@pytest.mark.parametrize("text", ["José".encode("latin-1"), "猫の写真".encode(), b"plain"])
def test_text_in_any_encoding(file_format: str, text: bytes) -> None:
    given = {ROOT: {ARTIST: Entry(ASCII, text + b"\0")}, EXIF: {LENS: Entry(ASCII, text + b"\0")}}
    exif = directories(again(larger(with_exif(exif_bytes(given))), file_format))
    assert exif[ROOT][ARTIST].data == exif[EXIF][LENS].data == text + b"\0"


@pytest.mark.parametrize("file_format", FORMAT_NAMES)
def test_the_case_of_all_kinds(file_format: str) -> None:
    """EXIF in UTF-8, XMP, IPTC, a comment and 300 dpi: each kept, or named."""
    picture = larger(CASES / "metadata.jpg")
    tags, lost = again(picture, file_format), picture.tags.losses(file_format, 3)
    assert all(
        (getattr(tags, name) is None) == any(word in " ".join(lost) for word in words)
        for name, *words in (("exif", "EXIF"), ("xmp", "XMP"), ("iptc", "IPTC"))
    )
    if file_format != "BMP":
        exif = directories(tags)
        assert exif[ROOT][COPYRIGHT].text == "© me"
        assert exif[ROOT][ARTIST] == directories(picture.tags)[ROOT][ARTIST]
        assert tags.xmp == picture.tags.xmp_for(picture.size)
    if file_format in ("JPEG", "TIFF"):
        assert tags.iptc == picture.tags.iptc
    if file_format == "JPEG":
        assert tags.comment == b"jpeg comment"
    if file_format == "PNG":
        assert tags.text == ((b"tEXt", b"Comment\0jpeg comment"),)
    assert tags.resolution == pytest.approx((1200, 1200), rel=1e-4)


@pytest.mark.parametrize("file_format", FORMAT_NAMES)
def test_the_print_stays_as_large(file_format: str) -> None:
    picture = larger(CASES / "dpi300.png")
    assert again(picture, file_format).resolution == pytest.approx((1200, 1200), rel=1e-4)


@pytest.mark.parametrize("turn", [1, 6])
def test_resolution_along_each_axis(turn: int) -> None:
    """Of a picture that lies on its side, across is what was up."""
    buffer, exif = io.BytesIO(), Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    Image.new("RGB", (6, 4)).save(buffer, "PNG", dpi=(100, 200), exif=exif)
    expected = (400, 800) if turn == 1 else (800, 400)
    assert again(larger(buffer.getvalue()), "TIFF").resolution == pytest.approx(expected, rel=1e-3)


def test_no_resolution_where_none_is_said() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 4)).save(buffer, "JPEG", exif=big_endian())
    for data in (buffer.getvalue(), encode(Picture(scene(4, 4).byte()), "TIFF", None, None)):
        assert read_picture(data).tags.resolution is None


@pytest.mark.parametrize("name", ["chrm_displayp3.png", "gama_linear.png"])
def test_how_colours_are_meant(name: str) -> None:
    before = list(read_chunks(io.BytesIO((CASES / name).read_bytes()), COLOUR_CHUNKS))
    picture = larger(CASES / name)
    assert before
    assert list(read_chunks(io.BytesIO(encode(picture, "PNG", None, PROVENANCE)), COLOUR_CHUNKS)) == before
    assert picture.tags.losses("PNG", 3) == ()
    for file_format in ("TIFF", "WEBP", "JPEG", "BMP"):
        (said,) = picture.tags.losses(file_format, 3)
        assert "look different" in said


def chunked(*chunks: tuple[bytes, bytes], depth: int = 8) -> bytes:
    """A PNG of 2×2 pixels with chunks before them."""
    rows = bytes(1 + 2 * 3 * depth // 8) * 2
    parts = [
        (b"IHDR", struct.pack(">IIBBBBB", 2, 2, depth, 2, 0, 0, 0)),
        *chunks,
        (b"IDAT", zlib.compress(rows)),
        (b"IEND", b""),
    ]
    packed = (
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(packed)


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"sRGB", b"\0")],
        [(b"gAMA", struct.pack(">I", 45455))],
        [(b"cICP", bytes([1, 13, 0, 1]))],
        [],
    ],
)
def test_plain_colours_are_no_loss(chunks: list[tuple[bytes, bytes]]) -> None:
    tags = read_picture(chunked(*chunks)).tags
    assert tags.colour == tuple(chunks)
    assert tags.losses("JPEG", 3) == ()


@pytest.mark.parametrize("depth", [8, 16])
def test_hdr_and_wide_colours_stay_said(depth: int) -> None:
    chunks = ((b"cICP", bytes([9, 16, 0, 1])), (b"cLLI", bytes(8)))
    picture = larger(chunked(*chunks, depth=depth))
    assert again(picture, "PNG").colour == chunks
    assert picture.tags.losses("WEBP", 3) != ()


@pytest.mark.parametrize("depth", [8, 16])
def test_png_text_is_kept_to_the_byte(depth: int) -> None:
    data = (CASES / "text_chunks.png").read_bytes()
    before = tuple(read_chunks(io.BytesIO(data), TEXT_CHUNKS))
    assert len(before) == 2
    picture = larger(data)
    if depth == 16:
        picture = Picture((picture.levels.int() * 257).to(torch.uint16), 65535, tags=picture.tags)
    assert again(picture, "PNG").text == before
    image = Image.open(io.BytesIO(encode(picture, "PNG", None, PROVENANCE)))
    assert image.info["Title"] == "Grüße 猫"
    assert image.info["mapsr-model"] == "m"
    assert picture.tags.losses("JPEG", 3) == ("PNG text",)


def test_xmp_says_what_holds_now() -> None:
    template = '<x tiff:Orientation="{}" tiff:ImageWidth="{}" exif:PixelYDimension=\'{}\'><tiff:XResolution>{}/1</x>'
    tags = Tags(xmp=template.format(6, 3, 4, 72).encode(), resolution=(72.0, 72.0), size=(3, 4))
    assert tags.xmp_for((12, 16)) == template.format(1, 12, 16, 288).encode()


@pytest.mark.parametrize("file_format", WITH_EXIF)
def test_a_grey_profile_is_kept_or_named(file_format: str) -> None:
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    profile[16:20] = b"GRAY"
    tags = Tags(icc=bytes(profile))
    colours = 1 if FORMATS[file_format].holds.grey else 3
    lost = tags.losses(file_format, colours)
    assert lost == (() if colours == 1 else ("the colour profile for grey",))


@pytest.mark.parametrize("file_format", WITH_EXIF)
def test_our_provenance_is_not_theirs(file_format: str, tmp_path: Path) -> None:
    """An upscaled file, upscaled again: one provenance, the new one; and their own history stays beside it."""
    theirs: Any = {ROOT: {HISTORY: Entry(ASCII, b"developed in the bath\0")}}
    once = encode(larger(with_exif(exif_bytes(theirs))), file_format, None, PROVENANCE)
    new = Provenance("other", "box", 2, None, "cd", "1", seed=3, sample=4)
    twice = encode(larger(once, 2), file_format, None, new)
    path = tmp_path / f"a.{file_format.lower()}"
    path.write_bytes(twice)
    assert read_provenance(path) == new
    assert twice.count(b"mapsr-model") == 1
    entry = directories(read_picture(twice).tags)[ROOT][HISTORY]
    assert entry.text == "developed in the bath"
    assert not is_ours(entry.text)


def test_png_text_that_only_looks_like_a_key() -> None:
    assert not is_ours('{"model": "mapsr-"}')
    assert not is_ours("mapsr-model")
    assert is_ours(PROVENANCE.to_json())


@pytest.mark.parametrize("damage", range(0, 90, 3))
def test_damaged_exif_loses_no_pixels(damage: int) -> None:
    exif = bytearray(big_endian())
    exif[6 + damage : 9 + damage] = b"\xff\xff\xff"
    assert read_picture(with_exif(bytes(exif))).levels.shape == (3, 4, 6)


def test_tags_that_claim_too_much() -> None:
    block = struct.pack("<2sHI", b"II", 42, 8) + struct.pack("<H", 1) + struct.pack("<HHII", ARTIST, 2, 1 << 31, 8)
    assert read_directories(io.BytesIO(block))[ROOT] == {}


def test_directories_of_bigtiff() -> None:
    big = (
        struct.pack("<2sHHHQQ", b"II", 43, 8, 0, 16, 1)
        + struct.pack("<HHQ8s", 0x0100, SHORT, 1, b"\7\0" + bytes(6))
        + bytes(8)
    )
    assert read_directories(io.BytesIO(big))[ROOT] == {0x0100: numbers(SHORT, 7)}


def test_gps_and_makers_notes_come_through() -> None:
    given: dict[int, Any] = {
        ROOT: {ARTIST: Entry(ASCII, b"a\0")},
        EXIF: {0x927C: Entry(7, bytes(range(256))), COMMENT: Entry(7, b"UNICODE\0\x1f\x04")},
        GPS: {1: Entry(ASCII, b"N\0"), 5: Entry(BYTE, b"\0")},
    }
    assert read_directories(io.BytesIO(exif_bytes(given)[6:])) == given
