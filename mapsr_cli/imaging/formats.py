"""What each file format can hold."""

from dataclasses import dataclass
from pathlib import Path

from mapsr_cli.errors import ImageError, UsageError, did_you_mean


@dataclass(frozen=True)
class Holds:
    """What a picture may be made of, so that a file can hold it without loss."""

    grey: bool = True
    """One colour sample; otherwise grey is written as three equal ones."""
    alpha: bool = True
    """An alpha sample beside the colour."""
    deep: bool = True
    """16 bits a sample."""
    inks: bool = False
    """CMYK."""
    mixed: bool = True
    """Frames of several kinds: grey and RGB, with alpha and without."""
    where: str = "the output"
    """What it is that cannot hold the rest, for messages."""


@dataclass(frozen=True)
class Format:
    """A format that can be written."""

    suffixes: tuple[str, ...]
    """File-name suffixes, the usual one first."""
    holds: Holds
    frames: bool
    """Whether one file may hold several frames."""
    lossless: bool
    """Whether every level is kept (unless a quality is asked for)."""
    quality: bool
    """Whether a quality may be asked for, which makes it lossy."""
    longest: int = (1 << 31) - 1
    """Pixels that a side may have."""


FORMATS = {
    "PNG": Format((".png", ".apng"), Holds(mixed=False, where="PNG"), frames=True, lossless=True, quality=False),
    "TIFF": Format((".tif", ".tiff"), Holds(inks=True, where="TIFF"), frames=True, lossless=True, quality=False),
    "WEBP": Format(
        (".webp",),
        Holds(grey=False, deep=False, mixed=False, where="WebP"),
        frames=True,
        lossless=True,
        quality=True,
        longest=16_383,
    ),
    "BMP": Format((".bmp",), Holds(alpha=False, deep=False, where="BMP"), frames=False, lossless=True, quality=False),
    "JPEG": Format(
        (".jpg", ".jpeg", ".jfif"),
        Holds(alpha=False, deep=False, where="JPEG"),
        frames=False,
        lossless=False,
        quality=True,
        longest=65_500,
    ),
    "AVIF": Format(
        (".avif",),
        Holds(grey=False, deep=False, mixed=False, where="AVIF"),
        frames=True,
        lossless=False,
        quality=True,
        longest=65_536,
    ),
}
READABLE = (*FORMATS, "GIF")
SUFFIXES = (*(suffix for known in FORMATS.values() for suffix in known.suffixes), ".gif", ".heic", ".heif", ".hif")
"""What a folder is searched for."""


def output_format(name: str) -> str:
    """Return the key of FORMATS for a file name's suffix (`photo.jpg`) or a bare one (`jpg`). Raises UsageError."""
    written = Path(name).suffix.lower()
    suffix = written or f".{name.lower()}"
    for key, known in FORMATS.items():
        if suffix in known.suffixes:
            return key
    writable = [suffix for known in FORMATS.values() for suffix in known.suffixes]
    what = f"cannot write '{suffix}' files" if written else f"'{name}' is no file format, and has no suffix of one"
    raise UsageError(what, did_you_mean(suffix, writable))


def check_size(file_format: str, size: tuple[int, int]) -> None:
    """Raise ImageError where a file of that format cannot hold so many pixels (width, height)."""
    known = FORMATS[file_format]
    if max(size) > known.longest:
        what = f"{size[0]}×{size[1]} pixels: {known.holds.where} holds at most {known.longest} a side"
        raise ImageError(what, "save as PNG or TIFF")


def is_lossless(file_format: str, quality: int | None) -> bool:
    """Tell whether a file of that format keeps every level: PNG, TIFF and BMP do, WebP unless a quality is given."""
    return FORMATS[file_format].lossless and (quality is None or not FORMATS[file_format].quality)
