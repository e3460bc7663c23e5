"""The segments of a JPEG before its first scan: metadata, tables, the frame."""

import struct
from collections.abc import Iterable, Iterator

SEGMENT = 65_533
"""Bytes that fit into a segment."""
EXIF, PHOTOSHOP, COMMENT = 0xE1, 0xED, 0xFE
_JFIF, _ADOBE = 0xE0, 0xEE
_APPLICATIONS = range(0xE0, 0xF0)
"""Markers of what applications store, metadata and profiles among it."""
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers of a frame: baseline, progressive, lossless; coded by Huffman or arithmetically."""
_SCAN = 0xDA
_XMP = b"http://ns.adobe.com/xap/1.0/\0"

Segment = tuple[int, bytes]
"""(marker, content)."""


def xmp_segment(xmp: bytes) -> Segment:
    """Make the segment of an XMP packet."""
    return EXIF, _XMP + xmp


def iptc_segment(iptc: bytes) -> Segment:
    """Make the segment of IPTC-IIM records, as Photoshop stores them."""
    return PHOTOSHOP, b"Photoshop 3.0\x008BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + bytes(len(iptc) % 2)


def with_segments(jpeg: bytes, segments: Iterable[Segment]) -> bytes:
    """Return a JPEG with segments behind its JFIF header; those too long for a JPEG are left out."""
    at = 4 + struct.unpack_from(">H", jpeg, 4)[0] if jpeg[3] == _JFIF else 2
    added = (
        struct.pack(">BBH", 0xFF, marker, len(data) + 2) + data for marker, data in segments if len(data) <= SEGMENT
    )
    return jpeg[:at] + b"".join(added) + jpeg[at:]


def without_metadata(jpeg: bytes) -> bytes:
    """Return a JPEG without comments and what applications store before the first scan: jpeglib takes 50 segments.

    The JFIF and Adobe headers stay, as they say what the colours are.
    """
    kept, rest = [jpeg[:2]], 2
    for marker, start, end in segments_of(jpeg):
        rest = end
        if marker in (_JFIF, _ADOBE) or not (marker in _APPLICATIONS or marker == COMMENT):
            kept.append(jpeg[start:end])
    return b"".join([*kept, jpeg[rest:]])


def segments_of(jpeg: bytes) -> Iterator[tuple[int, int, int]]:
    """Yield (marker, start, end) of each segment before the first scan; the end may lie beyond a damaged file."""
    at = 2
    while jpeg[at : at + 1] == b"\xff" and len(jpeg) >= at + 4:
        marker, size = jpeg[at + 1], int.from_bytes(jpeg[at + 2 : at + 4])
        if marker == _SCAN or size < 2:
            return
        yield marker, at, at + 2 + size
        at += 2 + size


def bits_a_sample(jpeg: bytes) -> int | None:
    """Return how many bits a sample has, as the frame's header says; None where there is no such header."""
    headers = (jpeg[start + 4 : start + 5] for marker, start, _ in segments_of(jpeg) if marker in _FRAMES)
    return next((header[0] for header in headers if header), None)
