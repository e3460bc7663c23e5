"""What a file says beside its pixels, and what of it still holds for the upscaled one."""

from dataclasses import dataclass
from typing import Any

from PIL import ExifTags, Image

ORIENTATION = ExifTags.Base.Orientation
HISTORY = ExifTags.Base.ImageHistory
"""Where a format without text chunks keeps the provenance: captions (ImageDescription, UserComment) are the user's."""
_POINTERS = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)
_SIZES = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)
_STRUCTURE = {
    *range(0x0FE, 0x10B),  # NewSubfileType … FillOrder: sizes, depth, compression
    *(0x111, ORIENTATION, 0x115, 0x116, 0x117, 0x118, 0x119, 0x11C),  # strips, orientation, planes
    *range(0x120, 0x126),  # free space, grey response, fax
    *(0x129, 0x12D, 0x13D, 0x13E, 0x13F, 0x140),  # page number, transfer function, predictor, primaries, palette
    *range(0x141, 0x161),  # tiles, sub-directories, inks, extra samples, sample format
    *range(0x200, 0x215),  # embedded thumbnails, YCbCr
    *(0x2BC, 0x83BB, 0x8649, 0x8773),  # XMP, IPTC, Photoshop, ICC profile
    HISTORY,
}
"""Tags that describe how the file at hand stores its pixels, or what its provenance was, not the picture."""
_STALE = {0x9214, 0xA20E, 0xA20F, 0xA210, 0xA214, 0xA005}
"""Tags in the EXIF directory that count the original's pixels (subject area, focal-plane resolution)."""


@dataclass(frozen=True)
class Tags:
    """Colour profile and EXIF, as they are to be written again."""

    icc: bytes | None = None
    """ICC profile."""
    exif: bytes | None = None
    """EXIF without the tags that only describe the original's pixels; orientation already applied."""

    def exif_for(self, size: tuple[int, int], history: str | None = None) -> Image.Exif:
        """Return EXIF for an image of `size` (width, height), with the provenance as one JSON text."""
        exif = Image.Exif()
        if self.exif:
            exif.load(self.exif)
            inner = exif.get_ifd(ExifTags.IFD.Exif)
            for tag, value in zip(_SIZES, size, strict=True):
                if tag in inner:
                    inner[tag] = value
        if history is not None:
            exif[HISTORY] = history
        return exif

    def icc_for(self, colours: int) -> bytes | None:
        """Return the profile, if it is one for so many colour samples (1, 3 or 4)."""
        spaces = {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}
        return self.icc if self.icc and self.icc[16:20] == spaces[colours] else None


def read_tags(image: Image.Image) -> Tags:
    """Read profile and EXIF of an opened image. Damaged EXIF is left out: the pixels are read all the same."""
    icc = image.info.get("icc_profile")
    return Tags(icc if isinstance(icc, bytes) and len(icc) >= 128 else None, _clean(image))


def orientation(image: Image.Image) -> int:
    """Tell how the image is to be turned: 1 (not at all) … 8, as EXIF has it."""
    try:
        turn = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF: whatever Pillow's parser stumbles over
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1


def _clean(image: Image.Image) -> bytes | None:
    kept = Image.Exif()
    try:
        exif = image.getexif()
        kept.update({tag: value for tag, value in exif.items() if tag not in (*_STRUCTURE, *_POINTERS)})
        for pointer in _POINTERS:
            inner: dict[int, Any] = exif.get_ifd(pointer)
            if inner := {tag: value for tag, value in inner.items() if tag not in _STALE}:
                kept[pointer] = inner
        return kept.tobytes() if len(kept) else None
    except Exception:  # damaged EXIF: whatever Pillow's parser stumbles over
        return None
