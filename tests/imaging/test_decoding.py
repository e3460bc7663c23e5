"""Every kind of pixel becomes whole levels, none of them lost."""

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageCms
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging import FORMATS, Holds, Picture, encode, read_frames, read_picture
from tests.pictures import scene

GREY = np.arange(48, dtype=np.uint8).reshape(6, 8) * 5


def saved(image: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def planes(image: Image.Image) -> Tensor:
    samples = torch.from_numpy(np.array(image))
    return samples[None] if samples.dim() == 2 else samples.permute(2, 0, 1)


def deep(channels: int, height: int = 7, width: int = 9) -> Tensor:
    """[channels, height, width] uint16 in which every bit matters."""
    generator = torch.Generator().manual_seed(channels)
    return torch.randint(0, 65536, (channels, height, width), generator=generator).to(torch.uint16)


def chunk(kind: bytes, content: bytes) -> bytes:
    """Of a PNG."""
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def raw_png(samples: Tensor, colour_type: int, interlaced: bool = False, extra: bytes = b"") -> bytes:
    """16 bits a sample, unfiltered: what libpng would write, without any of our own code."""
    height, width = samples.shape[1:]
    pixels = samples.numpy().transpose(1, 2, 0).astype(">u2")
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    parts = [pixels[top::down, left::right] for top, left, down, right in passes] if interlaced else [pixels]
    rows = b"".join(b"\0" + row.tobytes() for part in parts for row in part if part.size)

    header = struct.pack(">IIBBBBB", width, height, 16, colour_type, 0, 0, interlaced)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


@pytest.mark.parametrize("mode", ["1", "P"])
def test_modes_that_rgb_or_grey_hold_without_loss(mode: str) -> None:
    grey = Image.fromarray(GREY)
    image = grey.convert("RGB").quantize(16) if mode == "P" else grey.convert(mode)
    expected = planes(image.convert("RGB" if mode == "P" else "L"))
    picture = read_picture(saved(image))
    assert torch.equal(picture.levels, expected)
    assert picture.alpha is None


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("file_format", ["PNG", "TIFF", "WEBP"])
def test_transparency(mode: str, file_format: str) -> None:
    image = Image.fromarray(GREY).convert(mode)
    image.putalpha(Image.fromarray(GREY[::-1].copy()))
    picture = read_picture(
        saved(image, file_format, **({"lossless": True, "exact": True} if file_format == "WEBP" else {}))
    )
    assert picture.alpha is not None
    assert torch.equal(picture.alpha, planes(image)[-1:])
    assert torch.equal(picture.levels, planes(image)[:-1].expand(len(picture.levels), -1, -1))


def test_a_transparent_colour_or_palette_entry() -> None:
    grey = Image.fromarray(GREY)
    for image, options in (
        (grey, {"transparency": 20}),
        (grey.convert("RGB"), {"transparency": (20, 20, 20)}),
        (grey.convert("RGB").quantize(48), {"transparency": grey.convert("RGB").quantize(48).getpixel((4, 0))}),
    ):
        alpha = read_picture(saved(image, **options)).alpha
        assert alpha is not None
        assert alpha[0].tolist() == np.where(GREY == 20, 0, 255).tolist()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_transparent_level_of_any_depth(bits: int) -> None:
    """Pillow stretches samples to 8 bits, but not the level that is to be transparent."""
    levels = np.arange(16, dtype=np.uint8).reshape(2, 8) & (2**bits - 1)
    rows = np.packbits(np.unpackbits(levels[..., None], axis=2)[..., -bits:].reshape(2, -1), axis=1)
    body = chunk(b"IHDR", struct.pack(">IIBBBBB", 8, 2, bits, 0, 0, 0, 0)) + chunk(b"tRNS", b"\0\1")
    body += chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))) + chunk(b"IEND", b"")
    picture = read_picture(b"\x89PNG\r\n\x1a\n" + body)
    assert picture.levels[0].tolist() == (levels * (255 // (2**bits - 1))).tolist()
    assert picture.alpha is not None
    assert picture.alpha[0].tolist() == np.where(levels == 1, 0, 255).tolist()


def test_opaque_alpha_is_dropped_where_there_is_no_room_for_it() -> None:
    image = Image.fromarray(GREY).convert("RGBA")
    assert read_picture(saved(image)).alpha is not None
    assert read_picture(saved(image), FORMATS["JPEG"].holds).alpha is None
    image.putpixel((0, 0), (1, 2, 3, 254))
    with pytest.raises(ImageError, match="JPEG cannot hold"):
        read_picture(saved(image), FORMATS["JPEG"].holds)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("interlaced", [False, True])
def test_all_sixteen_bits_of_a_png(channels: int, interlaced: bool) -> None:
    samples = deep(channels)
    picture = read_picture(raw_png(samples, {1: 0, 2: 4, 3: 2, 4: 6}[channels], interlaced))
    assert picture.peak == 65535
    found = [picture.levels] + ([] if picture.alpha is None else [picture.alpha])
    assert torch.equal(torch.cat(found).int(), samples.int())


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_animations_of_sixteen_bits_are_refused(channels: int) -> None:
    """Pillow composes high bytes alone, and not those of grey with alpha."""
    shown = chunk(b"fcTL", struct.pack(">IIIIIHHBB", 0, 9, 7, 0, 0, 1, 10, 0, 0))

    def of_frames(count: int) -> bytes:
        extra = chunk(b"acTL", struct.pack(">II", count, 0)) + shown
        return raw_png(deep(channels), {1: 0, 2: 4, 3: 2, 4: 6}[channels], extra=extra)

    assert torch.equal(read_picture(of_frames(1)).levels[0].int(), deep(channels)[0].int())
    with pytest.raises(ImageError, match="animations of 16 bits"):
        read_frames(of_frames(2))


@pytest.mark.parametrize("channels", [1, 3])
def test_a_transparent_colour_of_sixteen_bits(channels: int) -> None:
    samples = deep(channels)
    clear = samples[:, 3, 4].tolist()
    key = chunk(b"tRNS", struct.pack(f">{channels}H", *clear))
    picture = read_picture(raw_png(samples, 0 if channels == 1 else 2, extra=key))
    assert picture.alpha is not None
    assert (picture.alpha == 0).nonzero().tolist() == [[0, 3, 4]]
    assert torch.equal(picture.levels.int(), samples.int())


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("channels", [1, 3, 4])
@pytest.mark.parametrize("compressed", [False, True])
def test_all_sixteen_bits_of_a_tiff(order: str, channels: int, compressed: bool) -> None:
    """Both byte orders, raw and deflated, laid out by hand."""
    samples = deep(channels)
    pixels = samples.numpy().transpose(1, 2, 0).astype(f"{order}u2").tobytes()
    strip = zlib.compress(pixels) if compressed else pixels
    height, width = samples.shape[1:]
    tags = [
        (256, 3, [width]), (257, 3, [height]), (258, 3, [16] * channels), (259, 3, [8 if compressed else 1]),
        (262, 3, [1 if channels == 1 else 2]), (273, 4, [8]), (277, 3, [channels]), (278, 3, [height]),
        (279, 4, [len(strip)]), *([(338, 3, [2])] if channels == 4 else []),
    ]  # fmt: skip
    start = 8 + len(strip) + len(strip) % 2
    at, entries, tail = start + 2 + 12 * len(tags) + 4, b"", b""
    for tag, kind, values in tags:
        packed = struct.pack(f"{order}{len(values)}{'H' if kind == 3 else 'L'}", *values)
        if len(packed) > 4:
            tail, packed = tail + packed, struct.pack(f"{order}L", at + len(tail))
        entries += struct.pack(f"{order}HHL", tag, kind, len(values)) + packed.ljust(4, b"\0")
    head = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HL", 42, start)
    directory = struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + tail
    picture = read_picture(head + strip.ljust(start - 8, b"\0") + directory)
    found = [picture.levels] + ([] if picture.alpha is None else [picture.alpha])
    assert picture.peak == 65535
    assert torch.equal(torch.cat(found).int(), samples.int())


def test_sixteen_bits_become_eight_where_there_is_no_room_for_them() -> None:
    samples = deep(3)
    picture = read_picture(raw_png(samples, 2), FORMATS["WEBP"].holds)
    assert picture.peak == 255
    assert torch.equal(picture.levels, (samples.double() / 257).round().byte())
    assert "reduced from 16 bits to 8" in picture.notes[0]


def test_grey_becomes_rgb_where_there_is_no_room_for_it() -> None:
    levels = read_picture(saved(Image.fromarray(GREY)), FORMATS["WEBP"].holds).levels
    assert torch.equal(levels, planes(Image.fromarray(GREY)).expand(3, -1, -1))


def test_cmyk_is_kept_or_converted() -> None:
    inks = Image.fromarray(np.stack([GREY, 255 - GREY, GREY // 2, GREY // 3], axis=2), "CMYK")
    data = saved(inks, "TIFF")
    kept = read_picture(data, Holds(inks=True))
    assert torch.equal(kept.levels, planes(inks))
    converted = read_picture(data)
    assert torch.equal(converted.levels, planes(inks.convert("RGB")))
    assert "plain formula" in converted.notes[0]


def test_a_profile_that_is_no_cmyk_profile_does_not_stop_the_conversion() -> None:
    wrong = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = read_picture(saved(Image.new("CMYK", (4, 4), (9, 8, 7, 6)), "JPEG", icc_profile=wrong))
    assert len(picture.levels) == 3
    assert picture.tags.icc is None


@pytest.mark.parametrize("turn", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_orientation_is_applied_once(tmp_path: Path, turn: int, suffix: str) -> None:
    levels = scene(4, 6).byte()
    image = Image.fromarray(levels.permute(1, 2, 0).contiguous().numpy())
    exif = Image.Exif()
    exif[0x0112] = turn
    image.save(tmp_path / f"a.{suffix}", exif=exif)
    turns: dict[int, Callable[[Tensor], Tensor]] = {
        1: lambda x: x,
        2: lambda x: x.flip(2),
        3: lambda x: x.flip(1, 2),
        4: lambda x: x.flip(1),
        5: lambda x: x.transpose(1, 2),
        6: lambda x: x.rot90(-1, (1, 2)),
        7: lambda x: x.transpose(1, 2).flip(1, 2),
        8: lambda x: x.rot90(1, (1, 2)),
    }
    picture = read_picture(tmp_path / f"a.{suffix}")
    assert torch.equal(picture.levels, turns[turn](levels))
    again = read_picture(encode(picture, "PNG", None, None))
    assert torch.equal(again.levels, picture.levels)


def test_white_is_zero_at_sixteen_bits() -> None:
    samples = deep(1)
    image = Image.fromarray(samples[0].numpy())
    data = saved(image, "TIFF", tiffinfo={262: 0})
    assert torch.equal(read_picture(data).levels.int(), 65535 - samples.int())


@pytest.mark.parametrize("array", [np.zeros((4, 4), np.float32), np.zeros((4, 4), np.int32)])
def test_what_sixteen_bits_cannot_hold_is_refused(array: np.ndarray) -> None:
    with pytest.raises(ImageError, match="32-bit"):
        read_picture(saved(Image.fromarray(array), "TIFF"))


def test_same_as() -> None:
    levels = scene(4, 4).byte()
    alpha = levels[:1]
    assert Picture(levels).same_as(Picture(levels.clone()))
    assert not Picture(levels).same_as(Picture(levels ^ 1))
    assert not Picture(levels).same_as(Picture(levels.to(torch.uint16), 65535))
    assert not Picture(levels).same_as(Picture(levels, alpha=alpha))
    assert not Picture(levels, alpha=alpha).same_as(Picture(levels, alpha=alpha ^ 1))


def test_kinds_change_only_where_nothing_is_lost() -> None:
    levels = scene(4, 4).byte()
    for peak, dtype in ((255, torch.uint8), (65535, torch.uint16)):
        grey, clear = levels[:1].to(dtype), levels[1:2].to(dtype)
        opaque = torch.full_like(grey, peak)
        rgb = Picture(grey, peak).as_kind(3, True)
        assert torch.equal(rgb.levels, grey.expand(3, -1, -1))
        assert rgb.alpha is not None
        assert torch.equal(rgb.alpha, opaque)
        assert Picture(grey, peak, alpha=opaque).as_kind(1, False).alpha is None
        assert Picture(grey, peak, alpha=clear).as_kind(1, False).alpha is clear
    assert len(Picture(levels).as_kind(1, False).levels) == 3
