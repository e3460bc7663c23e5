"""What a file says beside its pixels, and what of it still holds for the upscaled one."""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from io import BytesIO

from PIL import ExifTags

from mapsr_cli.imaging.exif import (
    ASCII,
    EXIF,
    LONG,
    ROOT,
    SHORT,
    Directories,
    Entry,
    exif_bytes,
    numbers,
    ratio,
    read_directories,
)
from mapsr_cli.imaging.jpeg import SEGMENT
from mapsr_cli.imaging.png import Chunk

HISTORY = ExifTags.Base.ImageHistory
"""Where a format without text chunks keeps the provenance: captions (ImageDescription, UserComment) are the user's."""
OURS = "mapsr-"
"""What the keys of our own provenance start with."""
X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT = 0x11A, 0x11B, 0x128
INCH = 2
"""The unit of a resolution."""
_SIZES = (ExifTags.Base.ExifImageWidth, ExifTags.Base.ExifImageHeight)
_MAKER_NOTE = 0x927C
_PLAIN = {b"gAMA": (45455,), b"cHRM": (31270, 32900, 64000, 33000, 30000, 60000, 15000, 6000)}
"""What sRGB has, which is what a picture without any such chunk is taken for."""
_SAME_COLOUR = 0.005


@dataclass(frozen=True)
class Tags:
    """Colour, EXIF and other metadata, as they are to be written again."""

    icc: bytes | None = None
    """ICC profile."""
    exif: bytes | None = None
    """EXIF without the tags that only describe the original's pixels; orientation already applied."""
    xmp: bytes | None = None
    """XMP packet."""
    iptc: bytes | None = None
    """IPTC-IIM records."""
    comment: bytes | None = None
    """A JPEG's or GIF's comment."""
    text: tuple[Chunk, ...] = ()
    """A PNG's text chunks, as they are stored; none of ours."""
    colour: tuple[Chunk, ...] = ()
    """A PNG's chunks about colour (gAMA, cHRM, sRGB, cICP, …), as they are stored."""
    resolution: tuple[float, float] | None = None
    """Pixels per inch along x and y, of the original as it is seen."""
    size: tuple[int, int] | None = None
    """(width, height) of the original as it is seen; what has another size has another resolution."""

    def resolution_for(self, size: tuple[int, int]) -> tuple[float, float] | None:
        """Return pixels per inch for an image of `size` (width, height), such that it is printed as large."""
        if self.resolution is None or self.size is None:
            return self.resolution
        (x, y), (wide, high) = self.resolution, self.size
        return x * size[0] / wide, y * size[1] / high

    def directories_for(
        self, size: tuple[int, int], history: str | None = None, file_format: str = "TIFF"
    ) -> Directories:
        """Return EXIF for an image of `size` (width, height), with the provenance as one JSON text."""
        exif = read_directories(BytesIO((self.exif or b"II*\0\x08\0\0\0\0\0").removeprefix(b"Exif\0\0")))
        inner = exif.get(EXIF, {})
        inner |= {tag: numbers(LONG, value) for tag, value in zip(_SIZES, size, strict=True) if tag in inner}
        resolution = self.resolution_for(size)
        if resolution and (self.exif or file_format not in _STATES_RESOLUTION):
            x, y = (ratio(Fraction(value)) for value in resolution)
            exif[ROOT] |= {X_RESOLUTION: x, Y_RESOLUTION: y, RESOLUTION_UNIT: numbers(SHORT, INCH)}
        if history is not None:
            before = f"{exif[ROOT][HISTORY].text}\n" if HISTORY in exif[ROOT] else ""
            exif[ROOT][HISTORY] = Entry(ASCII, f"{before}{history}".encode() + b"\0")
        return exif

    def exif_for(self, size: tuple[int, int], history: str | None, file_format: str) -> bytes:
        """Return what `directories_for` gives as an EXIF block; in a JPEG, only what fits into it."""
        exif = self.directories_for(size, history, file_format)
        block = exif_bytes(exif)
        if file_format == "JPEG" and len(block) > SEGMENT:
            exif.get(EXIF, {}).pop(_MAKER_NOTE, None)
            block = exif_bytes(exif)
        if file_format == "JPEG" and len(block) > SEGMENT:
            block = exif_bytes(replace(self, exif=None).directories_for(size, history, file_format))
        return block

    def icc_for(self, colours: int) -> bytes | None:
        """Return the profile, if it is one for so many colour samples (1, 3 or 4)."""
        spaces = {1: b"GRAY", 3: b"RGB ", 4: b"CMYK"}
        return self.icc if self.icc and self.icc[16:20] == spaces[colours] else None

    def xmp_for(self, size: tuple[int, int]) -> bytes | None:
        """Return XMP for an image of `size`: where it repeats orientation, size and resolution, with what holds now."""
        if self.xmp is None:
            return None
        values: dict[str, object] = {"Orientation": 1}
        values |= dict.fromkeys(("PixelXDimension", "ImageWidth"), size[0])
        values |= dict.fromkeys(("PixelYDimension", "ImageLength"), size[1])
        if resolution := self.resolution_for(size):
            values |= {
                name: f"{round(dpi)}/1" for name, dpi in zip(("XResolution", "YResolution"), resolution, strict=True)
            }
            values["ResolutionUnit"] = INCH
        xmp = self.xmp
        for name, value in values.items():
            pattern = rf"((?:tiff|exif):{name}(?:=[\"']|>\s*))[\d/]+".encode()
            xmp = re.sub(pattern, rb"\g<1>" + str(value).encode(), xmp)
        return xmp

    def losses(self, file_format: str, colours: int) -> tuple[str, ...]:
        """Name what of this a file of that format, with so many colour samples, cannot keep."""
        kept = _KEPT[file_format]
        lost = [name for name in ("exif", "xmp", "iptc", "comment", "text") if getattr(self, name) and name not in kept]
        names = [_NAMES[name] for name in lost]
        if self.icc and (self.icc_for(colours) is None or "icc" not in kept):
            names.insert(
                0, "the colour profile" if "icc" not in kept else f"the colour profile for {_colours(self.icc)}"
            )
        elif not self.icc and "colour" not in kept and self._is_special():
            kinds = " and ".join(sorted({kind.decode() for kind, _ in self.colour}))
            names.insert(0, f"how colours are meant ({kinds}), so they will look different")
        if file_format == "JPEG" and self.exif and self.size:
            whole, fits = len(exif_bytes(self.directories_for(self.size))), len(self.exif_for(self.size, None, "JPEG"))
            names += ["part of EXIF (too long for a JPEG)"] * (fits < whole)
        return tuple(names)

    def _is_special(self) -> bool:
        """Tell whether the PNG's chunks mean another colour space than sRGB."""
        chunks = dict(self.colour)
        if b"cICP" in chunks:
            return chunks[b"cICP"][:2] != bytes([1, 13])
        if b"sRGB" in chunks:
            return False
        for kind, plain in _PLAIN.items():
            if (data := chunks.get(kind)) and len(data) == 4 * len(plain):
                values = (int.from_bytes(data[at : at + 4]) for at in range(0, len(data), 4))
                if any(abs(value - usual) > _SAME_COLOUR * 100_000 for value, usual in zip(values, plain, strict=True)):
                    return True
        return False


_EVERYTHING = {"icc", "exif", "xmp", "iptc", "comment", "text", "colour"}
_KEPT = {
    "PNG": _EVERYTHING - {"iptc"},
    "TIFF": {"icc", "exif", "xmp", "iptc"},
    "JPEG": {"icc", "exif", "xmp", "iptc", "comment"},
    "WEBP": {"icc", "exif", "xmp"},
    "AVIF": {"icc", "exif", "xmp"},
    "BMP": set(),
}
"""By format, which of `Tags` a file keeps."""


def keeps(file_format: str, what: str) -> bool:
    """Tell whether files of a format keep a field of `Tags`."""
    return what in _KEPT[file_format]


_STATES_RESOLUTION = ("PNG", "JPEG", "BMP")
"""Formats that give a resolution elsewhere than in EXIF."""
_NAMES = {"exif": "EXIF", "xmp": "XMP", "iptc": "IPTC captions", "comment": "the comment", "text": "PNG text"}


def _colours(icc: bytes) -> str:
    return {b"GRAY": "grey", b"RGB ": "RGB", b"CMYK": "CMYK"}.get(icc[16:20], "other colours")
