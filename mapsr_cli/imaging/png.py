"""16-bit PNG, which Pillow writes for grey alone.

Written here rather than by a library: the well-kept ones that can (OpenCV, imagecodecs, pyvips) weigh tens of megabytes
and drop profile, EXIF or text; PNG itself is a zlib stream of filtered rows between checksummed chunks.
"""

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

_COLOUR_TYPES = {1: 0, 3: 2, 2: 4, 4: 6}
"""Samples a pixel → colour type: grey, RGB, grey with alpha, RGB with alpha."""
_STRIP = 1 << 22
"""Bytes filtered at once."""
_LEVEL = 4


def png_bytes(samples: NDArray[np.uint16], text: dict[str, str], icc: bytes | None, exif: bytes | None) -> bytes:
    """[H, W, S] samples of 16 bits (S = 1 grey, 2 grey and alpha, 3 RGB, 4 RGB and alpha) as the bytes of a PNG."""
    height, width, count = samples.shape
    header = struct.pack(">IIBBBBB", width, height, 16, _COLOUR_TYPES[count], 0, 0, 0)
    chunks = [b"\x89PNG\r\n\x1a\n", _chunk(b"IHDR", header)]
    if icc:
        chunks.append(_chunk(b"iCCP", b"ICC profile\x00\x00" + zlib.compress(icc)))
    chunks += [_text(key, value) for key, value in text.items()]
    if exif:
        chunks.append(_chunk(b"eXIf", exif.removeprefix(b"Exif\x00\x00")))
    compressor = zlib.compressobj(_LEVEL, zlib.DEFLATED, 15, 9, zlib.Z_FILTERED)
    for rows in _filtered(samples):
        if packed := compressor.compress(rows):
            chunks.append(_chunk(b"IDAT", packed))
    chunks += [_chunk(b"IDAT", compressor.flush()), _chunk(b"IEND", b"")]
    return b"".join(chunks)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(content, zlib.crc32(kind)))


def _text(key: str, value: str) -> bytes:
    try:
        return _chunk(b"tEXt", key.encode("latin-1") + b"\x00" + value.encode("latin-1"))
    except UnicodeEncodeError:
        return _chunk(b"iTXt", key.encode("latin-1") + b"\x00\x00\x00\x00\x00" + value.encode())


def _filtered(samples: NDArray[np.uint16]) -> Iterator[bytes]:
    """Rows as big-endian bytes, each with the filter (of PNG's five) whose residual is smallest in absolute sum."""
    height, width, count = samples.shape
    above = np.zeros((1, 2 * width * count), np.uint8)
    step = max(_STRIP // above.size, 1)
    for top in range(0, height, step):
        rows = samples[top : top + step].astype(">u2").view(np.uint8).reshape(-1, above.size)
        up = np.concatenate([above, rows[:-1]])
        above = rows[-1:]
        candidates = np.stack([rows, *_residuals(rows, up, 2 * count)])
        cost = np.abs(candidates.view(np.int8).astype(np.int16)).sum(axis=2, dtype=np.int64)
        best = cost.argmin(axis=0)
        chosen = candidates[best, np.arange(len(rows))]
        yield np.concatenate([best[:, None].astype(np.uint8), chosen], axis=1).tobytes()


def _residuals(rows: Bytes, up: Bytes, pixel: int) -> tuple[Bytes, Bytes, Bytes, Bytes]:
    """Sub, Up, Average and Paeth; `pixel` is how many bytes one takes."""
    left, corner = (np.pad(r, ((0, 0), (pixel, 0)))[:, :-pixel] for r in (rows, up))
    a, b, c = left.astype(np.int16), up.astype(np.int16), corner.astype(np.int16)
    to_left, to_up, to_corner = np.abs(b - c), np.abs(a - c), np.abs(a + b - 2 * c)
    nearest = np.where(to_up <= to_corner, up, corner)
    paeth = np.where((to_left <= to_up) & (to_left <= to_corner), left, nearest)
    average = ((a + b) >> 1).astype(np.uint8)
    return rows - left, rows - up, rows - average, rows - paeth
