"""The segments of a JPEG that hold metadata."""

import struct
from collections.abc import Iterable

SEGMENT = 65_533
"""Bytes that fit into a segment."""
EXIF, PHOTOSHOP, COMMENT = 0xE1, 0xED, 0xFE
_JFIF = 0xE0
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
