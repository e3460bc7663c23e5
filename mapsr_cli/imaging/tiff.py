"""TIFF, which Pillow cannot write with 16-bit colour, nor compressed with an EXIF directory in it.

Pillow's own directory class lays out the tags; the pixels are deflated strips of horizontally differenced samples, as
libtiff writes them.
"""

import struct
import zlib
from collections import deque
from collections.abc import Sequence

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from mapsr_cli.imaging.picture import Picture, interleaved

_PHOTOMETRIC = {1: 1, 3: 2, 4: 5}
"""Colour samples → BlackIsZero, RGB, separated inks."""
_DEFLATE, _HORIZONTAL_DIFFERENCING, _UNASSOCIATED_ALPHA = 8, 2, 2
_STRIP = 1 << 18
"""Bytes in a strip."""
_LEVEL = 6
LIMIT = 0xFFFF_FFFF
"""Bytes that a TIFF's offsets can address."""


def tiff_bytes(pages: Sequence[Picture], exif: Image.Exif) -> bytes:
    """Write pages as the bytes of a TIFF. Raises ValueError where the file would be larger than a TIFF can be."""
    tiff = bytearray(struct.pack("<2sHL", b"II", 42, 8))
    for number, picture in enumerate(pages, 1):
        strips, rows = _strips(picture)
        sizes = [len(strip) for strip in strips]
        if len(tiff) + sum(sizes) > LIMIT - (1 << 20):
            raise ValueError("more than the 4 GiB that a TIFF can hold")
        directory = _directory(picture, exif, rows)
        directory[0x117] = tuple(sizes)  # StripByteCounts
        directory[0x111] = tuple(int(n) for n in np.cumsum([0, *sizes[:-1]]))  # StripOffsets, from the directory's end
        at = len(tiff)
        tiff += directory.tobytes(at)
        while strips:  # one by one, so that there is no second copy of all
            tiff += strips.popleft()
        tiff += bytes(len(tiff) % 2)
        if number < len(pages):
            link = at + 2 + 12 * struct.unpack_from("<H", tiff, at)[0]
            struct.pack_into("<L", tiff, link, len(tiff))
    return bytes(tiff)


def _directory(picture: Picture, exif: Image.Exif, rows: int) -> ImageFileDirectory_v2:
    (width, height), colours, count = picture.size, len(picture.levels), picture.samples
    directory = ImageFileDirectory_v2()
    for tag, value in exif.items():
        directory[tag] = exif.get_ifd(tag) if tag in (0x8769, 0x8825) else value
    directory[0x100], directory[0x101] = width, height
    directory[0x102] = (8 if picture.peak == 255 else 16,) * count  # BitsPerSample
    directory[0x103], directory[0x13D] = _DEFLATE, _HORIZONTAL_DIFFERENCING
    directory[0x106] = _PHOTOMETRIC[colours]
    directory[0x115], directory[0x116] = count, rows  # SamplesPerPixel, RowsPerStrip
    if count > colours:
        directory[0x152] = (_UNASSOCIATED_ALPHA,)  # ExtraSamples
    if icc := picture.tags.icc_for(colours):
        directory[0x8773] = icc
    return directory


def _strips(picture: Picture) -> tuple[deque[bytes], int]:
    """Deflate strips; also returns how many rows each has."""
    width, height = picture.size
    rows = max(_STRIP // (width * picture.samples * picture.levels.element_size()), 1)
    packed: deque[bytes] = deque()
    for top in range(0, height, rows):
        strip = interleaved(picture, slice(top, top + rows))
        different = strip.copy()
        different[:, 1:] -= strip[:, :-1]
        packed.append(zlib.compress(different.astype(different.dtype.newbyteorder("<")).tobytes(), _LEVEL))
    return packed, rows
