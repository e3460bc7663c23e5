"""16-bit PNG, which Pillow writes for grey alone.

Written here rather than by a library: the well-kept ones that can (OpenCV, imagecodecs, pyvips) weigh tens of megabytes
and drop profile, EXIF or text; PNG itself is a zlib stream of filtered rows between checksummed chunks.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_COLOUR_TYPES = {1: 0, 3: 2, 2: 4, 4: 6}
"""Samples a pixel → colour type: grey, RGB, grey with alpha, RGB with alpha."""
_LEVEL = 1
"""Of zlib: two thirds of level 4's time for 3 % more bytes."""


def png_bytes(
    size: tuple[int, int, int],
    strips: Iterable[NDArray[np.uint16]],
    text: dict[str, str],
    icc: bytes | None,
    exif: bytes | None,
) -> bytes:
    """Write a PNG of `size` (height, width, samples a pixel: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha).

    `strips` [rows, width, samples] of 16 bits are taken from top to bottom, as they are needed.
    """
    height, width, count = size
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[count], 0, 0, 0)
    png = bytearray(b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header))
    if icc:
        png += _chunk(b"iCCP", b"ICC profile\x00\x00" + zlib.compress(icc))
    for key, value in text.items():
        png += _text(key, value)
    if exif:
        png += _chunk(b"eXIf", exif.removeprefix(b"Exif\x00\x00"))
    compressor = zlib.compressobj(_LEVEL)
    for rows in _filtered(strips):
        if packed := compressor.compress(rows):
            png += _chunk(b"IDAT", packed)
    png += _chunk(b"IDAT", compressor.flush())
    png += _chunk(b"IEND", b"")
    return bytes(png)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def _text(key: str, value: str) -> bytes:
    try:
        return _chunk(b"tEXt", key.encode("latin-1") + b"\x00" + value.encode("latin-1"))
    except UnicodeEncodeError:
        return _chunk(b"iTXt", key.encode("latin-1") + b"\x00\x00\x00\x00\x00" + value.encode())


def _filtered(strips: Iterable[NDArray[np.uint16]]) -> Iterator[bytes]:
    """Filter rows of big-endian bytes, each with the one of PNG's five filters whose residuals have the least sum."""
    above = None
    for strip in strips:
        rows = strip.astype(">u2").view(np.uint8).reshape(len(strip), -1)
        above = np.zeros_like(rows[:1]) if above is None else above
        up = np.concatenate([above, rows[:-1]])
        above = rows[-1:]
        candidates = np.stack([rows, *_residuals(rows, up, 2 * strip.shape[2])])
        sizes = np.abs(candidates.view(np.int8)).view(np.uint8)  # |−128| stays −128 as int8, which is 128 as uint8
        best = sizes.sum(axis=2, dtype=np.uint32).argmin(axis=0)
        chosen = candidates[best, np.arange(len(rows))]
        yield np.concatenate([best[:, None].astype(np.uint8), chosen], axis=1).tobytes()


def _residuals(rows: Bytes, up: Bytes, pixel: int) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Apply the filters Sub, Up, Average and Paeth; a pixel takes `pixel` bytes."""
    left, corner = (np.pad(r, ((0, 0), (pixel, 0)))[:, :-pixel] for r in (rows, up))
    a, b, c = left.astype(np.int16), up.astype(np.int16), corner.astype(np.int16)
    down, right = b - c, a - c  # Paeth takes whichever of the three is nearest to a + b − c
    to_left, to_up, to_corner = np.abs(down), np.abs(right), np.abs(down + right)
    nearest = np.where(to_up <= to_corner, up, corner)
    paeth = np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest)
    average = ((a + b) >> 1).astype(np.uint8)
    return rows - left, rows - up, rows - average, rows - paeth
