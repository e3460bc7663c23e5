"""Each kind of file and of samples: read right, read with a note, or refused in one line that says what to do."""

import io
import os
import re
import struct
import threading
import tracemalloc
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging import FORMATS, read_frames, read_picture
from mapsr_cli.imaging.exif import ASCII, BYTE, LONG, ROOT, SHORT, Entry, directory_bytes, numbers
from mapsr_cli.imaging.opening import LIBTIFF, METADATA, without_lines
from tests.pictures import HAS_AVIF

CASES = Path(__file__).parents[1] / "cases"
SAMPLES = np.arange(4 * 6 * 5, dtype=np.uint8).reshape(4, 6, 5) * 2


def tiff(
    pixels: NDArray[Any], photometric: int, extra: tuple[int, ...] = (), sample_format: int = 1, **more: Entry
) -> bytes:
    """An uncompressed TIFF of pixels [h, w, S]."""
    height, width, count = pixels.shape
    data = pixels.astype(pixels.dtype.newbyteorder("<")).tobytes()
    directory = {
        0x100: numbers(LONG, width),
        0x101: numbers(LONG, height),
        0x102: numbers(SHORT, *(8 * pixels.itemsize,) * count),
        0x103: numbers(SHORT, 1),
        0x106: numbers(SHORT, photometric),
        0x111: numbers(LONG, 8),
        0x115: numbers(SHORT, count),
        0x116: numbers(LONG, height),
        0x117: numbers(LONG, len(data)),
        0x153: numbers(SHORT, *(sample_format,) * count),
        **({0x152: numbers(SHORT, *extra)} if extra else {}),
        **{int(tag[1:], 16): entry for tag, entry in more.items()},
    }
    at = 8 + len(data) + len(data) % 2
    return struct.pack("<2sHI", b"II", 42, at) + data.ljust(at - 8, b"\0") + directory_bytes({ROOT: directory}, at)


def refusal(source: bytes | Path) -> str:
    with pytest.raises(ImageError) as refused:
        read_picture(source)
    assert len(str(refused.value).splitlines()) == 1
    assert refused.value.hint
    return f"{refused.value} / {refused.value.hint}"


@pytest.mark.parametrize(("dtype", "count"), [(np.uint8, 4), (np.uint16, 4), (np.uint8, 5), (np.uint8, 2)])
def test_samples_without_a_meaning_are_left_out_with_a_note(dtype: type, count: int) -> None:
    colours = 1 if count == 2 else 3
    pixels: NDArray[Any] = SAMPLES[..., :count].astype(dtype) * (257 if dtype == np.uint16 else 1)
    picture = read_picture(tiff(pixels, 1 if count == 2 else 2, (0,) * (count - colours)))
    assert np.array_equal(picture.levels.int().numpy(), pixels[..., :colours].transpose(2, 0, 1))
    assert any("meaning the file does not say" in note for note in picture.notes)


def test_the_case_of_an_unspecified_sample() -> None:
    (note,) = read_picture(CASES / "rgb_alpha_unspecified_8.tif").notes
    assert note == "left out a sample per pixel whose meaning the file does not say"


def test_alpha_that_says_so_is_kept_without_a_note() -> None:
    picture = read_picture(tiff(SAMPLES[..., :4], 2, (2,)))
    assert picture.alpha is not None
    assert picture.notes == ()


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32])
@pytest.mark.parametrize("count", [1, 3])
def test_signed_samples_are_refused(dtype: type, count: int) -> None:
    said = refusal(tiff(SAMPLES[..., :count].astype(dtype), 1 if count == 1 else 2, (), 2))
    assert ("32-bit samples" if dtype == np.int32 else "signed samples") in said


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("count", [1, 3, 4])
def test_floats_are_refused_by_name(dtype: type, count: int) -> None:
    extra = (2,) if count == 4 else ()
    said = refusal(tiff(SAMPLES[..., :count].astype(dtype), 1 if count == 1 else 2, extra, 3))
    assert f"{8 * np.dtype(dtype).itemsize}-bit samples are not supported" in said


def test_sound_files_of_no_supported_kind_are_named() -> None:
    assert "16-bit grey with alpha" in refusal(tiff(SAMPLES[..., :2].astype(np.uint16), 1, (2,)))
    assert "8-bit CMYK with alpha" in refusal(tiff(SAMPLES, 5, (2,)))


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("int8_grey.tif", "signed samples are not supported"),
        ("float32_rgb.tif", "32-bit samples are not supported"),
        ("grey_alpha_16.tif", "16-bit grey with alpha"),
        ("twelve_bits.jpg", "12 bits a sample"),
    ],
)
def test_cases_that_are_refused(name: str, says: str) -> None:
    assert says in refusal(CASES / name)


def test_a_bitmap_of_5_and_6_bits_is_read() -> None:
    picture = read_picture(CASES / "rgb565.bmp")
    expected = np.array(Image.open(CASES / "rgb565.bmp").convert("RGB")).transpose(2, 0, 1)
    assert np.array_equal(picture.levels.numpy(), expected)
    assert picture.peak == 255


@pytest.mark.skipif(not HAS_AVIF, reason="this Pillow has no AVIF")
def test_ten_bits_of_an_avif_become_eight_with_a_note() -> None:
    (note,) = read_picture(CASES / "avif_10bit.avif").notes
    assert note.startswith("reduced from 10 bits to 8")


@pytest.mark.skipif(not HAS_AVIF, reason="this Pillow has no AVIF")
def test_eight_bits_of_an_avif_need_none() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (9, 99, 199)).save(buffer, "AVIF")
    assert read_picture(buffer.getvalue()).notes == ()


def animated(hidden: bool) -> bytes:
    first, second, third = (Image.new("RGB", (5, 4), (level, 0, 0)) for level in (10, 20, 30))
    buffer = io.BytesIO()
    first.save(buffer, "PNG", save_all=True, append_images=[second, third], duration=50, default_image=hidden)
    return buffer.getvalue()


def test_the_hidden_image_of_an_animation_is_no_frame() -> None:
    whole, part = read_frames(animated(hidden=False)), read_frames(animated(hidden=True))
    assert [int(picture.levels[0, 0, 0]) for picture in whole.pictures] == [10, 20, 30]
    assert [int(picture.levels[0, 0, 0]) for picture in part.pictures] == [20, 30]
    assert part.durations == (50, 50)
    assert any("still image" in note for note in part.pictures[0].notes)
    assert whole.pictures[0].notes == ()


def stack(*subfile_types: int) -> bytes:
    """A TIFF of pages 10, 20, 30, … of those types."""
    buffer, pages = io.BytesIO(), [Image.new("RGB", (5, 4), (10 * n, 0, 0)) for n in range(1, len(subfile_types) + 1)]
    pages[0].save(buffer, "TIFF", save_all=True, append_images=pages[1:])
    data = bytearray(buffer.getvalue())
    at = struct.unpack_from("<I", data, 4)[0]
    for (
        kind
    ) in subfile_types:  # the first tag of each page becomes NewSubfileType, which Pillow wrote as 0 or not at all
        (count,) = struct.unpack_from("<H", data, at)
        entries = [data[at + 2 + 12 * n : at + 14 + 12 * n] for n in range(count)]
        entries[-1 if not any(entry[:2] == b"\xfe\0" for entry in entries) else 0] = bytearray(
            struct.pack("<HHII", 0xFE, 4, 1, kind)
        )
        data[at + 2 : at + 2 + 12 * count] = b"".join(
            sorted(entries, key=lambda entry: struct.unpack_from("<H", entry)[0])
        )
        (at,) = struct.unpack_from("<I", data, at + 2 + 12 * count)
    return bytes(data)


@pytest.mark.parametrize(("types", "kept"), [((0, 1), [10]), ((0, 4), [10]), ((0, 1, 0, 1), [10, 30]), ((1, 0), [20])])
def test_thumbnails_and_masks_are_no_pages(types: tuple[int, ...], kept: list[int]) -> None:
    frames = read_frames(stack(*types))
    assert [int(picture.levels[0, 0, 0]) for picture in frames.pictures] == kept
    assert any("left out" in note for note in frames.pictures[0].notes)


def test_a_picture_with_a_thumbnail_is_one_picture() -> None:
    picture = read_picture(CASES / "thumbnail_page.tif")
    assert picture.size == (36, 28)
    assert picture.notes == ("left out 1 thumbnail or mask beside the picture",)
    with pytest.raises(ImageError, match="2 frames"):
        read_picture(stack(0, 0))


@pytest.mark.parametrize(
    ("head", "says"),
    [
        (b"\xff\x0a" + bytes(60), "JPEG XL.*convert"),
        (b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(60), "JPEG XL"),
        (b"\0\0\0\x18ftypcrx \0\0\0\1crx isom", "raw file.*develop"),
        (b"FUJIFILMCCD-RAW 0201", "raw file"),
        (b"8BPS\0\1" + bytes(60), "Photoshop.*export"),
        (b"%PDF-1.7", "PDF"),
        (b"<svg xmlns=''>", "SVG"),
        (b"<!DOCTYPE html><html>", "web page.*fetch"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git-LFS.*git lfs pull"),
        (b"\xff\xd8\xff\xe0\0\4ab", "damaged JPEG.*again"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "JPEG 2000"),
    ],
)
def test_other_kinds_are_named(head: bytes, says: str) -> None:
    assert re.search(says, refusal(head))


@pytest.mark.parametrize("name", ["a.nef", "a.CR2", "a.dng", "a.arw"])
def test_raw_files_are_refused_though_a_preview_could_be_read(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(tiff(SAMPLES[..., :3], 2))
    assert "develop it first" in refusal(tmp_path / name)


def test_a_negative_by_its_tag(tmp_path: Path) -> None:
    (tmp_path / "a.tif").write_bytes(tiff(SAMPLES[..., :3], 2, tC612=Entry(BYTE, b"\1\4\0\0")))
    assert "raw file" in refusal(tmp_path / "a.tif")


def test_heic_without_its_decoder_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mapsr_cli.imaging.kinds.find_spec", lambda name: None)
    said = refusal(CASES / "heic_named.jpg")
    assert "HEIC" in said
    assert "heif" in said
    assert "convert" in said


def test_heic_with_its_decoder_is_read(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    pixels = np.full((6, 4, 3), (200, 100, 50), np.uint8)
    picture = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Phone"
    heif.from_pillow(picture).save(tmp_path / "a.heic", exif=exif.tobytes(), icc_profile=b"x" * 200)
    read = read_picture(tmp_path / "a.heic")
    assert read.size == (6, 4)
    assert (read.levels.float().mean((1, 2)) - torch.tensor([200.0, 100.0, 50.0])).abs().max() < 4
    assert read.tags.icc == b"x" * 200
    assert read.tags.exif is not None
    assert b"Phone" in read.tags.exif


def test_libtiff_says_nothing_of_its_own(capfd: pytest.CaptureFixture[str]) -> None:
    """Whether it cannot decode or the file is damaged; and what others say meanwhile is not lost."""
    buffer, noise = io.BytesIO(), np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(buffer, "TIFF", compression="tiff_lzw")
    damaged = bytearray(buffer.getvalue())
    damaged[3000:6000] = b"\xff" * 3000
    for source in (CASES / "webp_compressed.tif", bytes(damaged)):
        with suppress(ImageError):  # what is left of damaged strips is read
            read_picture(source)
    assert capfd.readouterr().err == ""


def test_what_others_say_to_standard_error_is_kept(capfd: pytest.CaptureFixture[str]) -> None:
    with without_lines(LIBTIFF) as said:
        os.write(2, b"tempfile.tif: WEBP compression support is not configured.\n")
        os.write(2, b"note: a line of ours\n")
    assert said == [b"tempfile.tif: WEBP compression support is not configured.\n"]
    assert capfd.readouterr().err == "note: a line of ours\n"


def sparse(path: Path, start: bytes, size: int) -> Path:
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
    return path


SMALL = {name: suffixes.suffixes[0] for name, suffixes in FORMATS.items() if name != "AVIF" or HAS_AVIF}


def encoded(file_format: str) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8), (10, 20, 30)).save(buffer, file_format)
    return buffer.getvalue()


def peak_of(source: Path | io.BytesIO) -> tuple[int, Exception | None]:
    """Bytes that Python objects took at most while a file was read, and how that ended. Its hash is not asked for."""
    tracemalloc.start()
    try:
        read_picture(source)
        outcome = None
    except ImageError as error:
        outcome = error
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return peak, outcome


@pytest.mark.parametrize("file_format", SMALL)
def test_memory_is_the_pictures_not_the_files(file_format: str, tmp_path: Path) -> None:
    """A small picture with much behind it is read; nothing of what follows it is held."""
    path = sparse(tmp_path / f"a{SMALL[file_format]}", encoded(file_format), 200 << 20)
    peak, outcome = peak_of(path)
    assert outcome is None
    assert peak < 20 << 20


def test_a_refused_jpeg_is_read_as_far_as_its_header_may_reach(tmp_path: Path) -> None:
    path = sparse(tmp_path / "a.jpg", (CASES / "twelve_bits.jpg").read_bytes(), 200 << 20)
    peak, outcome = peak_of(path)
    assert "12 bits a sample" in str(outcome)
    assert peak < METADATA + (20 << 20)


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"\x89PNG\r\n\x1a\n",
        encoded("PNG")[:33] + struct.pack(">I", 190 << 20) + b"tEXt",
        b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x10E, ASCII, 190 << 20, 8),
        b"GIF89a\x08\0\x08\0",
        b"BM",
    ],
    ids=["nothing", "png", "text", "tag", "gif", "bmp"],
)
def test_files_without_a_picture_are_refused_unread(start: bytes, tmp_path: Path) -> None:
    peak, outcome = peak_of(sparse(tmp_path / "a.png", start, 200 << 20))
    assert outcome is not None
    assert peak < 20 << 20


def test_boxes_and_chunks_that_claim_more_than_pixels_need(tmp_path: Path) -> None:
    riff = b"RIFF" + struct.pack("<I", 190 << 20) + b"WEBPVP8 "
    boxes = struct.pack(">I", 20) + b"ftypavif\0\0\0\0avif" + struct.pack(">I", 190 << 20) + b"mdat"
    for start in (riff, boxes):
        path = sparse(tmp_path / "a.webp", start, 200 << 20)
        with pytest.raises(ImageError, match="more than a picture of its kind needs"):
            read_picture(path, max_pixels=1000)


def test_a_stream_is_read_as_far_as_a_picture_may_reach() -> None:
    data = encoded("PNG")
    assert read_picture(io.BytesIO(data)).sha256 == read_picture(data).sha256
    with pytest.raises(ImageError, match=r"standard input: more than .* bytes"):
        read_picture(io.BytesIO(bytes(70 << 20)), max_pixels=1000)


def test_a_pipe_is_read_as_a_stream(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    data = encoded("TIFF")
    writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(data))
    writer.start()
    assert read_picture(tmp_path / "pipe").sha256 == read_picture(data).sha256
    writer.join()


def test_frames_are_told_of() -> None:
    steps: list[tuple[int, int]] = []
    read_frames(animated(hidden=False), progress=lambda done, total: steps.append((done, total)))
    assert steps == [(0, 3), (1, 3), (2, 3)]
