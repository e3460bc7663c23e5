"""What kind of picture a file holds, where its decoder does not say, or there is none for it."""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from mapsr_cli.errors import ImageError, install_command
from mapsr_cli.imaging.exif import ROOT, read_directories, read_pages
from mapsr_cli.imaging.jpeg import bits_a_sample
from mapsr_cli.imaging.opening import METADATA, OpenedFile

_JPEG = b"\xff\xd8\xff"
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_DNG_VERSION = 0xC612
_BITS, _PHOTOMETRIC, _SAMPLES, _FORMAT = 0x102, 0x106, 0x115, 0x153
_SIGNED, _FLOAT = 2, 3
_COLOURS = {
    0: ("grey", 1),
    1: ("grey", 1),
    2: ("RGB", 3),
    3: ("palette", 1),
    5: ("CMYK", 4),
    6: ("YCbCr", 3),
    8: ("Lab", 3),
}
"""By photometric interpretation: the name, and the samples of the colour."""
_PIXELS = 0x111, 0x117, 0x144, 0x145
"""Where strips and tiles are: long lists that nobody asks for here."""
_HEIF_BRANDS = (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1")
_RAW_NAMES = (
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".kdc", ".mef", ".mos", ".mrw", ".nef", ".nrw"),
    *(".orf", ".pef", ".raf", ".raw", ".rw2", ".srw", ".x3f"),
)
_RAW_HEADS = (b"FUJIFILMCCD-RAW", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"FOVb", b"\0MRM")
_RAW = "a camera's raw file, whose pixels are no picture yet"
_DEVELOP = "develop it first (darktable, RawTherapee, the camera maker's own), and save it as TIFF of 16 bits"
_OTHERS = {
    b"\0\0\0\x0cjP  ": "a JPEG 2000 file",
    b"\xff\x4f\xff\x51": "a JPEG 2000 file",
    b"8BPS": "a Photoshop file",
    b"%PDF": "a PDF file",
    b"<svg": "an SVG file, which is made of shapes, not of pixels",
    b"gimp xcf": "a GIMP file",
    b"v/1\x01": "an OpenEXR file",
    b"#?RADIANCE": "a Radiance file",
    b"\x00\x00\x01\x00": "an icon file",
    b"version https://git-lfs": "not the picture but its Git-LFS pointer",
}


@dataclass(frozen=True)
class Coding:
    """How an AVIF or HEIC codes its samples, which Pillow gives in 8 bits."""

    bits: int = 8
    """Per sample."""
    cicp: bytes | None = None
    """Primaries, transfer function, matrix 0 (RGB), full range, as in PNG's chunk; None where the file does not say."""


def read_coding(file: OpenedFile) -> Coding:
    """Read an AVIF's or HEIC's boxes, which precede the coded picture."""
    head, bits, cicp = file.view().read(1 << 18), 8, None
    if 0 < (at := head.find(b"pixi")) < len(head) - 10:
        bits = head[at + 9]
    elif 0 < (at := head.find(b"av1C")) < len(head) - 7:
        bits = {0x40: 10, 0x60: 12}.get(head[at + 6] & 0x60, 8)
    if 0 < (at := head.find(b"colrnclx")) < len(head) - 13:
        primaries, transfer = struct.unpack_from(">HH", head, at + 8)
        cicp = bytes([primaries & 0xFF, transfer & 0xFF, 0, 1])
    return Coding(bits, cicp)


def decoder_of(file: OpenedFile) -> str | None:
    """Register the optional decoder that a file needs, and return its format; None where it needs none, or has none."""
    if _is_heif(file.head) and find_spec("pillow_heif"):
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
        return "HEIF"
    if _is_jpeg_xl(file.head) and find_spec("pillow_jxl"):
        import_module("pillow_jxl")  # which registers itself
        return "JXL"
    return None


def refuse_raw(file: OpenedFile) -> None:
    """Raise ImageError for a camera's raw file: what decoders find in it is a small preview."""
    raw = (
        Path(file.name).suffix.lower() in _RAW_NAMES
        or file.head.startswith(_RAW_HEADS)
        or file.head[4:12] == b"ftypcrx "
    )
    if raw or (file.head[:4] in _TIFF and any(_DNG_VERSION in page.tags for page in read_pages(file.view())[:1])):
        raise ImageError(_RAW, _DEVELOP)


def refuse_samples(file: OpenedFile) -> None:
    """Raise ImageError for a TIFF whose samples are no unsigned whole numbers: Pillow reads some as if they were."""
    if file.head[:4] not in _TIFF:
        return
    directory = read_directories(file.view(), _PIXELS)[ROOT]
    formats = set(_numbers(directory, _FORMAT))
    bits, floats = max(_numbers(directory, _BITS), default=1), _FLOAT in formats
    if floats or (_SIGNED in formats and bits > 16):
        kind = "floating point" if floats else "signed"
        raise ImageError(f"{bits}-bit samples are not supported ({kind})", "convert it to 16 bits first")
    if _SIGNED in formats:
        raise ImageError("signed samples are not supported", "convert it to unsigned ones first")


def unreadable(file: OpenedFile) -> ImageError:
    """Say what a file is that no decoder takes, and what to do."""
    head = file.head
    if _is_heif(head):
        hint = f"{install_command('heif')} reads it; or convert it to JPEG, PNG or TIFF"
        return ImageError("a HEIC picture, as phones take them", hint)
    if _is_jpeg_xl(head):
        return ImageError("a JPEG XL picture", "convert it to PNG first; with pillow-jxl-plugin installed it is read")
    if head[:4] in _TIFF:
        return _unreadable_tiff(file)
    if head.startswith(_JPEG):
        return _unreadable_jpeg(file)
    for start, what in _OTHERS.items():
        if head.lstrip().lower().startswith(start.lower()):
            return ImageError(what, "git lfs pull" if b"git-lfs" in start else "export it as PNG or TIFF first")
    if head.lstrip()[:1] == b"<":
        return ImageError("not a picture but a web page, or another text", "fetch the picture itself")
    return ImageError("not a picture of any kind that is known here")


def _unreadable_jpeg(file: OpenedFile) -> ImageError:
    bits = bits_a_sample(file.view().read(METADATA))
    if bits is None:
        return ImageError("a damaged JPEG, without a header of its picture", "copy or fetch the file again")
    if bits != 8:
        return ImageError(f"a JPEG of {bits} bits a sample", "convert it to PNG or TIFF of 16 bits first")
    return ImageError("a JPEG of a kind that is not supported here", "convert it to PNG first")


def _unreadable_tiff(file: OpenedFile) -> ImageError:
    directory = read_directories(file.view(), _PIXELS)[ROOT]
    bits, samples = _numbers(directory, _BITS) or (1,), next(iter(_numbers(directory, _SAMPLES)), 1)
    name, colours = _COLOURS.get(next(iter(_numbers(directory, _PHOTOMETRIC)), 1), ("unknown colours", samples))
    extra = f" with {samples - colours} more" if samples > colours + 1 else " with alpha" if samples > colours else ""
    depth = "/".join(str(one) for one in dict.fromkeys(bits))
    return ImageError(
        f"a TIFF of {depth}-bit {name}{extra}, which is not supported", "save it as PNG, or as RGB of 8 or 16 bits"
    )


def _numbers(directory: Mapping[int, object], tag: int) -> tuple[int, ...]:
    entry = directory.get(tag)
    return tuple(int(value) for value in getattr(entry, "numbers", ()))


def _is_heif(head: bytes) -> bool:
    """Tell whether it is a HEIC: of the brands of AVIF, those that it shares do not count."""
    brands = [head[at : at + 4] for at in (8, *range(16, min(int.from_bytes(head[:4]), len(head)), 4))]
    return head[4:8] == b"ftyp" and any(one in _HEIF_BRANDS for one in brands) and not {b"avif", b"avis"} & set(brands)


def _is_jpeg_xl(head: bytes) -> bool:
    return head[:2] == b"\xff\x0a" or head[:12] == b"\0\0\0\x0cJXL \r\n\x87\n"
