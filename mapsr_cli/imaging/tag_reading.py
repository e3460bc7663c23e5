"""Read what a file says beside its pixels."""

import json
from collections.abc import Iterable
from io import BytesIO

from PIL import ExifTags, Image

from mapsr_cli.imaging.exif import ASCII, ROOT, Directories, Entry, Readable, exif_bytes, read_directories
from mapsr_cli.imaging.png import COLOUR_CHUNKS, TEXT_CHUNKS, Chunk, read_chunks
from mapsr_cli.imaging.tags import HISTORY, INCH, OURS, RESOLUTION_UNIT, X_RESOLUTION, Y_RESOLUTION, Tags

ORIENTATION = ExifTags.Base.Orientation
_XMP, _IPTC, _CENTIMETRE = 0x2BC, 0x83BB, 3
_STRUCTURE = {
    *range(0x0FE, 0x10B),  # NewSubfileType … FillOrder: sizes, depth, compression
    *(0x111, ORIENTATION, 0x115, 0x116, 0x117, 0x118, 0x119, 0x11C),  # strips, orientation, planes
    *range(0x120, 0x126),  # free space, grey response, fax
    *(0x129, 0x12D, 0x13D, 0x13E, 0x13F, 0x140),  # page number, transfer function, predictor, primaries, palette
    *range(0x141, 0x161),  # tiles, sub-directories, inks, extra samples, sample format
    *range(0x200, 0x215),  # embedded thumbnails, YCbCr
    *(_XMP, _IPTC, 0x8649, 0x8773),  # which are not kept as EXIF; Photoshop's, ICC profile
    *(0x9214, 0xA20E, 0xA20F, 0xA210, 0xA214, 0xA005),  # counts of the original's pixels (subject area, focal plane)
}
"""Tags that describe how the file at hand stores its pixels, not the picture."""


def read_tags(image: Image.Image, file: Readable, size: tuple[int, int], cicp: bytes | None = None) -> Tags:
    """Read the metadata of an opened image; `file` holds it, `size` is the picture's as it is seen, `cicp` how an
    AVIF codes colours.

    Damaged metadata is left out: the pixels are read all the same.
    """
    info = image.info
    icc, comment = info.get("icc_profile"), info.get("comment")
    exif = _read_exif(image, file)
    chunks = _read_chunks(file) if image.format == "PNG" else ()
    resolution = _resolution(image, exif)
    return Tags(
        icc=icc if isinstance(icc, bytes) and len(icc) >= 128 else None,
        exif=exif_bytes(_kept(exif)) or None,
        xmp=_xmp(info.get("xmp")),
        iptc=_iptc(info, exif),
        comment=comment if isinstance(comment, bytes) and comment else None,
        text=tuple(chunk for chunk in chunks if chunk[0] in TEXT_CHUNKS and _is_theirs(chunk)),
        colour=tuple(chunk for chunk in chunks if chunk[0] in COLOUR_CHUNKS) or _coded(cicp),
        resolution=resolution[::-1] if resolution and orientation(image) >= 5 else resolution,
        size=size,
    )


def _coded(cicp: bytes | None) -> tuple[Chunk, ...]:
    """Return how an AVIF codes colours as a PNG says it, where it is neither sRGB nor unknown (2)."""
    plain = cicp is None or (cicp[0] in (1, 2) and cicp[1] in (1, 2, 6, 13))
    return () if cicp is None or plain else ((b"cICP", cicp),)


def _read_exif(image: Image.Image, file: Readable) -> Directories:
    """Read the directories, of a TIFF those of the page at hand; none where they are damaged."""
    try:
        if image.format == "TIFF":
            file.seek(0)
            return read_directories(file, _STRUCTURE - {_IPTC})
        block = image.info.get("exif")
        if not isinstance(block, bytes):
            block = image.getexif().tobytes()  # an old PNG's, in hexadecimal text
        return read_directories(BytesIO(block.removeprefix(b"Exif\0\0")), _STRUCTURE)
    except Exception:  # whatever damaged EXIF makes of the parsers
        return {}


def _kept(exif: Directories) -> Directories:
    """Leave out what is kept otherwise: IPTC, the resolution, and our own provenance."""
    root = {
        tag: entry
        for tag, entry in exif.get(ROOT, {}).items()
        if tag not in (_IPTC, X_RESOLUTION, Y_RESOLUTION, RESOLUTION_UNIT)
    }
    if entry := root.pop(HISTORY, None):
        theirs = "\n".join(line for line in entry.text.splitlines() if not is_ours(line))
        root |= {HISTORY: Entry(ASCII, theirs.encode() + b"\0")} if theirs else {}
    return {**{pointer: directory for pointer, directory in exif.items() if pointer != ROOT}, ROOT: root}


def is_ours(line: str) -> bool:
    """Tell whether a line of ImageHistory is a provenance of ours."""
    try:
        stored = json.loads(line)
    except ValueError:
        return False
    return isinstance(stored, dict) and any(key.startswith(OURS) for key in stored)


def _is_theirs(chunk: Chunk) -> bool:
    """Tell whether a PNG's text is neither our provenance nor metadata that is kept otherwise."""
    return not chunk[1].startswith((OURS.encode(), b"XML:com.adobe.xmp\0", b"Raw profile type "))


def _read_chunks(file: Readable) -> Iterable[Chunk]:
    try:
        file.seek(0)
        return list(read_chunks(file, COLOUR_CHUNKS | TEXT_CHUNKS))
    except Exception:  # a damaged file is reported by whoever decodes its pixels
        return ()


def _xmp(xmp: object) -> bytes | None:
    if isinstance(xmp, str):
        xmp = xmp.encode()
    return xmp.rstrip(b"\0") or None if isinstance(xmp, bytes) else None


def _iptc(info: dict[str | tuple[int, int], object], exif: Directories) -> bytes | None:
    blocks = info.get("photoshop")
    stored = blocks.get(0x0404) if isinstance(blocks, dict) else None
    if stored is None and (entry := exif.get(ROOT, {}).get(_IPTC)):
        stored = entry.data
    return bytes(stored) if isinstance(stored, bytes) and stored else None


def _resolution(image: Image.Image, exif: Directories) -> tuple[float, float] | None:
    """Read pixels per inch, of the image as it is stored; None where only a ratio, or nothing, is given."""
    if image.format == "JPEG":  # of which Pillow also tells 72 where nothing is said
        unit, density = image.info.get("jfif_unit"), image.info.get("jfif_density")
        if unit in (1, 2) and isinstance(density, tuple) and min(density) > 0:
            per_inch = 1.0 if unit == 1 else 2.54
            return float(density[0]) * per_inch, float(density[1]) * per_inch
    elif image.format in ("PNG", "BMP") and isinstance(dpi := image.info.get("dpi"), tuple) and min(dpi) > 0:
        return float(dpi[0]), float(dpi[1])
    root = exif.get(ROOT, {})
    values = [root[tag].numbers for tag in (X_RESOLUTION, Y_RESOLUTION) if tag in root]
    unit = root[RESOLUTION_UNIT].numbers[0] if RESOLUTION_UNIT in root and root[RESOLUTION_UNIT].numbers else INCH
    if len(values) < 2 or not all(values) or unit not in (INCH, _CENTIMETRE) or min(x for x, *_ in values) <= 0:
        return None
    per_inch = 1.0 if unit == INCH else 2.54
    return float(values[0][0]) * per_inch, float(values[1][0]) * per_inch


def orientation(image: Image.Image) -> int:
    """Tell how the image is to be turned: 1 (not at all) … 8, as EXIF has it."""
    try:
        turn = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF: whatever Pillow's parser stumbles over
        return 1
    return turn if isinstance(turn, int) and 1 <= turn <= 8 else 1
