"""PNG: 16 bits, which Pillow writes for grey alone, and chunks beside the pixels.

Written here rather than by a library: the well-kept ones that can (OpenCV, imagecodecs, pyvips) weigh tens of megabytes
and drop profile, EXIF or text; PNG itself is a zlib stream of filtered rows between checksummed chunks.
"""

import struct
import zlib
from collections.abc import Collection, Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

from mapsr_cli.imaging.exif import Readable

Bytes = NDArray[np.uint8]
Chunk = tuple[bytes, bytes]
"""(kind, content)."""

COLOUR_CHUNKS = frozenset({b"cICP", b"sRGB", b"gAMA", b"cHRM", b"mDCV", b"cLLI"})
TEXT_CHUNKS = frozenset({b"tEXt", b"zTXt", b"iTXt"})
_SIGNATURE, _HEADER = b"\x89PNG\r\n\x1a\n", 33
_MOST = 1 << 24
"""Bytes of such chunks that are read."""

_COLOUR_TYPES = {1: 0, 3: 2, 2: 4, 4: 6}
"""Samples a pixel → colour type: grey, RGB, grey with alpha, RGB with alpha."""
_LEVEL = 1
"""Of zlib: two thirds of level 4's time for 3 % more bytes."""


def png_bytes(size: tuple[int, int, int], strips: Iterable[NDArray[np.uint16]]) -> bytes:
    """Write a PNG of `size` (height, width, samples a pixel: 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha).

    `strips` [rows, width, samples] of 16 bits are taken from top to bottom, as they are needed.
    """
    height, width, count = size
    png = bytearray(_SIGNATURE)
    png += _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[count], 0, 0, 0))
    compressor = zlib.compressobj(_LEVEL)
    for rows in _filtered(strips):
        if packed := compressor.compress(rows):
            png += _chunk(b"IDAT", packed)
    png += _chunk(b"IDAT", compressor.flush())
    png += _chunk(b"IEND", b"")
    return bytes(png)


def with_chunks(png: bytes, chunks: Iterable[Chunk]) -> bytes:
    """Return a PNG with chunks behind its header, where those about colour and all others may stand."""
    return png[:_HEADER] + b"".join(_chunk(kind, data) for kind, data in chunks) + png[_HEADER:]


def read_chunks(file: Readable, kinds: Collection[bytes]) -> Iterator[Chunk]:
    """Read the chunks of some kinds, wherever they stand in a PNG. Raises ValueError for a file that is none."""
    if file.read(8) != _SIGNATURE:
        raise ValueError("not a PNG")
    left = _MOST
    while (head := file.read(8)) and (kind := head[4:]).isalpha() and kind != b"IEND":
        length = int.from_bytes(head[:4])
        if kind in kinds and length <= left:
            left -= length
            yield kind, file.read(length)
            file.seek(4, 1)
        else:
            file.seek(length + 4, 1)


def icc_chunk(icc: bytes) -> Chunk:
    """Make the chunk of a colour profile."""
    return b"iCCP", b"ICC profile\x00\x00" + zlib.compress(icc)


def density_chunk(per_inch: tuple[float, float]) -> Chunk:
    """Make the chunk of a resolution, given in pixels per inch along x and y."""
    return b"pHYs", struct.pack(">IIB", *(round(dpi / 0.0254) for dpi in per_inch), 1)


def text_chunk(key: str, value: str) -> Chunk:
    """Make a chunk of text, which takes UTF-8 where Latin-1 does not suffice."""
    try:
        return b"tEXt", key.encode("latin-1") + b"\x00" + value.encode("latin-1")
    except UnicodeEncodeError:
        return b"iTXt", key.encode("latin-1") + b"\x00\x00\x00\x00\x00" + value.encode()


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


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
