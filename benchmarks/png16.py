"""16-bit PNGs by their specification, which Pillow reads in 8 bits: for checks that share no code with mapsr."""

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}
"""Samples a pixel → PNG's number."""


def write_png16(samples: NDArray[np.int64]) -> bytes:
    """Write levels [C, h, w] without filters."""
    channels, height, width = samples.shape
    rows = samples.transpose(1, 2, 0).astype(">u2").reshape(height, -1)
    data = b"".join(b"\0" + row.tobytes() for row in rows)
    head = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[channels], 0, 0, 0)
    chunks = [(b"IHDR", head), (b"IDAT", zlib.compress(data)), (b"IEND", b"")]
    packed = (struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d)) for k, d in chunks)
    return SIGNATURE + b"".join(packed)


def read_png16(data: bytes) -> NDArray[np.int64] | None:
    """Read levels [C, H, W]; None for another file than a 16-bit PNG."""
    if not data.startswith(SIGNATURE) or data[24] != 16:
        return None
    width, height = struct.unpack_from(">II", data, 16)
    channels = next(count for count, number in COLOUR_TYPES.items() if number == data[25])
    at, packed = len(SIGNATURE), b""
    while at < len(data):
        (length,), kind = struct.unpack_from(">I", data, at), data[at + 4 : at + 8]
        packed += data[at + 8 : at + 8 + length] if kind == b"IDAT" else b""
        at += 12 + length
    raw, stride, step = zlib.decompress(packed), 2 * channels * width, 2 * channels
    above, rows = bytearray(stride), bytearray()
    for start in range(0, len(raw), stride + 1):
        above = unfiltered(raw[start], bytearray(raw[start + 1 : start + 1 + stride]), above, step)
        rows += above
    return np.frombuffer(rows, ">u2").reshape(height, width, channels).transpose(2, 0, 1).astype(np.int64)


def unfiltered(kind: int, row: bytearray, above: bytearray, step: int) -> bytearray:
    """Undo one row's filter: 0 none, 1 left, 2 above, 3 their mean, 4 Paeth."""
    for i in range(len(row) if kind else 0):
        left, corner = (row[i - step], above[i - step]) if i >= step else (0, 0)
        up = above[i]
        paeth = min((left, up, corner), key=lambda value: abs(left + up - corner - value))
        row[i] = (row[i] + (0, left, up, (left + up) // 2, paeth)[kind]) % 256
    return row
