"""TIFF, which Pillow cannot write with 16-bit colour, nor compressed with an EXIF directory in it.

Pillow's own directory class lays out the tags; the pixels are deflated strips of horizontally differenced samples, as
libtiff writes them.
"""

import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from mapsr_cli.imaging.picture import Picture

_PHOTOMETRIC = {1: 1, 3: 2, 4: 5}
"""Colour samples → BlackIsZero, RGB, separated inks."""
_DEFLATE, _HORIZONTAL_DIFFERENCING, _UNASSOCIATED_ALPHA = 8, 2, 2
_STRIP = 1 << 18
"""Bytes in a strip."""
_LEVEL = 6
LIMIT = 0xFFFF_FFFF
"""Bytes that a TIFF's offsets can address."""


def tiff_bytes(pages: Sequence[tuple[Picture, NDArray[Any]]], exif: Image.Exif) -> bytes:
    """Pages, each with its [H, W, S] samples (colour, then alpha), as the bytes of a TIFF.

    Raises ValueError where the file would be larger than a TIFF can be.
    """
    parts = [struct.pack("<2sHL", b"II", 42, 8)]
    at = len(parts[0])
    for number, (picture, samples) in enumerate(pages, 1):
        page = _page(picture, samples, exif, at, last=number == len(pages))
        parts.append(page)
        at += len(page)
    return b"".join(parts)


def _page(picture: Picture, samples: NDArray[Any], exif: Image.Exif, at: int, last: bool) -> bytes:
    strips, rows = _strips(samples)
    sizes = [len(strip) for strip in strips]
    if at + sum(sizes) > LIMIT - (1 << 20):
        raise ValueError("more than the 4 GiB that a TIFF can hold")
    directory = _directory(picture, samples, exif, rows)
    directory[0x117] = tuple(sizes)  # StripByteCounts
    directory[0x111] = tuple(int(n) for n in np.cumsum([0, *sizes[:-1]]))  # StripOffsets, from the directory's end
    tags = directory.tobytes(at)
    if not last:
        link = 2 + 12 * struct.unpack("<H", tags[:2])[0]
        padding = (len(tags) + sum(sizes)) % 2
        tags = tags[:link] + struct.pack("<L", at + len(tags) + sum(sizes) + padding) + tags[link + 4 :]
        strips.append(b"\x00" * padding)
    return b"".join([tags, *strips])


def _directory(picture: Picture, samples: NDArray[Any], exif: Image.Exif, rows: int) -> ImageFileDirectory_v2:
    height, width, count = samples.shape
    colours = len(picture.levels)
    directory = ImageFileDirectory_v2()
    for tag, value in exif.items():
        directory[tag] = exif.get_ifd(tag) if tag in (0x8769, 0x8825) else value
    directory[0x100], directory[0x101] = width, height
    directory[0x102] = (8 * samples.itemsize,) * count  # BitsPerSample
    directory[0x103], directory[0x13D] = _DEFLATE, _HORIZONTAL_DIFFERENCING
    directory[0x106] = _PHOTOMETRIC[colours]
    directory[0x115], directory[0x116] = count, rows  # SamplesPerPixel, RowsPerStrip
    if count > colours:
        directory[0x152] = (_UNASSOCIATED_ALPHA,)  # ExtraSamples
    if icc := picture.tags.icc_for(colours):
        directory[0x8773] = icc
    return directory


def _strips(samples: NDArray[Any]) -> tuple[list[bytes], int]:
    """Deflated strips, and how many rows each has."""
    rows = max(_STRIP // (samples[0].nbytes or 1), 1)
    packed = []
    for top in range(0, len(samples), rows):
        strip = samples[top : top + rows]
        different = strip.copy()
        different[:, 1:] -= strip[:, :-1]
        packed.append(zlib.compress(different.astype(different.dtype.newbyteorder("<")).tobytes(), _LEVEL))
    return packed, rows
