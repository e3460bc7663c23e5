"""TIFF, which Pillow cannot write with 16-bit colour, nor compressed with an EXIF directory in it.

The pixels are deflated strips of horizontally differenced samples, as libtiff writes them.
"""

import struct
import zlib
from collections import deque
from collections.abc import Sequence

import numpy as np

from mapsr_cli.imaging.exif import BYTE, LONG, ROOT, SHORT, UNDEFINED, Directory, Entry, directory_bytes, numbers
from mapsr_cli.imaging.picture import Picture, interleaved
from mapsr_cli.imaging.provenance import Provenance

_PHOTOMETRIC = {1: 1, 3: 2, 4: 5}
"""Colour samples → BlackIsZero, RGB, separated inks."""
_DEFLATE, _HORIZONTAL_DIFFERENCING, _UNASSOCIATED_ALPHA = 8, 2, 2
_STRIP = 1 << 18
"""Bytes in a strip."""
_LEVEL = 6
LIMIT = 0xFFFF_FFFF
"""Bytes that a TIFF's offsets can address."""


def tiff_bytes(pages: Sequence[Picture], provenance: Provenance | None) -> bytes:
    """Write pages as the bytes of a TIFF. Raises ValueError where the file would be larger than a TIFF can be."""
    tiff = bytearray(struct.pack("<2sHL", b"II", 42, 8))
    history = provenance.to_json() if provenance else None
    for number, picture in enumerate(pages, 1):
        strips, rows = _strips(picture)
        sizes = [len(strip) for strip in strips]
        if len(tiff) + sum(sizes) > LIMIT - (1 << 20):
            raise ValueError("more than the 4 GiB that a TIFF can hold")
        directories = pages[0].tags.directories_for(picture.size, history)
        directories[ROOT] |= _directory(picture, rows, sizes)
        at = len(tiff)
        first = at + len(directory_bytes(directories, at))
        directories[ROOT][0x111] = numbers(LONG, *(first + int(n) for n in np.cumsum([0, *sizes[:-1]])))  # StripOffsets
        tiff += directory_bytes(directories, at)
        while strips:  # one by one, so that there is no second copy of all
            tiff += strips.popleft()
        tiff += bytes(len(tiff) % 2)
        if number < len(pages):
            link = at + 2 + 12 * struct.unpack_from("<H", tiff, at)[0]
            struct.pack_into("<L", tiff, link, len(tiff))
    return bytes(tiff)


def _directory(picture: Picture, rows: int, sizes: Sequence[int]) -> Directory:
    """Describe a page whose strips have so many rows, and so many bytes each; where they start is not known yet."""
    (width, height), colours, count, tags = picture.size, len(picture.levels), picture.samples, picture.tags
    directory = {
        0x100: numbers(LONG, width),
        0x101: numbers(LONG, height),
        0x102: numbers(SHORT, *(8 if picture.peak == 255 else 16,) * count),  # BitsPerSample
        0x103: numbers(SHORT, _DEFLATE),
        0x106: numbers(SHORT, _PHOTOMETRIC[colours]),
        0x111: numbers(LONG, *sizes),  # StripOffsets, to come
        0x115: numbers(SHORT, count),  # SamplesPerPixel
        0x116: numbers(LONG, rows),  # RowsPerStrip
        0x117: numbers(LONG, *sizes),  # StripByteCounts
        0x13D: numbers(SHORT, _HORIZONTAL_DIFFERENCING),
    }
    if count > colours:
        directory[0x152] = numbers(SHORT, _UNASSOCIATED_ALPHA)  # ExtraSamples
    given = {0x8773: tags.icc_for(colours), 0x2BC: tags.xmp_for(picture.size), 0x83BB: tags.iptc}
    return directory | {tag: Entry(UNDEFINED if tag == 0x8773 else BYTE, data) for tag, data in given.items() if data}


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
