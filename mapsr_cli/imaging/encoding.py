"""Encode pictures into the bytes of a file, and write them."""

import io
import zlib
from pathlib import Path

import PIL
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.files import write_bytes
from mapsr_cli.imaging.formats import FORMATS, is_lossless, output_format
from mapsr_cli.imaging.picture import Frames, Picture, interleaved
from mapsr_cli.imaging.png import png_bytes
from mapsr_cli.imaging.provenance import Provenance
from mapsr_cli.imaging.tiff import tiff_bytes

LOSSY_QUALITY = 95
_STRIP = 1 << 22
"""Bytes of a 16-bit PNG filtered at once."""
_JPEG_EXIF_LIMIT = 65_533
"""Bytes of EXIF that fit into a JPEG: more (from a PNG or TIFF, say) is left out."""


def write_picture(
    path: Path,
    picture: Tensor | Picture,
    *,
    quality: int | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Encode a picture (or its levels, [C, H, W] of 8 bits) by the path's suffix, and write it whole or not at all.

    Raises UsageError for an unknown suffix, ImageError as `encode` does, FileError as `write_bytes` does.
    """
    if isinstance(picture, Tensor):
        picture = Picture(picture.byte())
    write_bytes(path, encode(picture, output_format(path.name), quality, provenance))


def encode(picture: Picture, file_format: str, quality: int | None, provenance: Provenance | None) -> bytes:
    """Encode a picture as the bytes of a file, with profile, EXIF and provenance.

    The picture must be one that the format holds (`FORMATS[file_format].holds`). Raises ImageError where it is too
    large for the format, or the format is not there.
    """
    return encode_frames(Frames((picture,)), file_format, quality, provenance)


def encode_frames(frames: Frames, file_format: str, quality: int | None, provenance: Provenance | None) -> bytes:
    """Encode as `encode` does; several frames become an animation, or pages of a TIFF."""
    first = frames.pictures[0]
    count = len(frames.pictures)
    if count > 1 and not FORMATS[file_format].frames:
        raise ImageError(f"{file_format} holds one frame, not {count}", "save as PNG, WebP, AVIF or TIFF")
    try:
        if file_format == "TIFF":
            history = provenance.to_json() if provenance else None
            return tiff_bytes([_page(picture) for picture in frames.pictures], first.tags.exif_for(first.size, history))
        if file_format == "PNG" and first.peak > 255:
            if count > 1:
                raise ImageError("animations of 16 bits are not supported", "save as TIFF")
            return _deep_png(first, provenance)
        return _by_pillow(frames, file_format, quality, provenance)
    except (OSError, ValueError, KeyError, MemoryError) as error:
        size = f"{first.size[0]}×{first.size[1]}"
        raise ImageError(f"cannot encode {size} pixels as {file_format} ({error})", "save it as PNG") from error


def _page(picture: Picture) -> Picture:
    if picture.peak > 255 and picture.alpha is not None:  # grey, Pillow (hence `verify`) could not read again
        return picture.as_kind(3, alpha=True)
    return picture


def _deep_png(picture: Picture, provenance: Provenance | None) -> bytes:
    (width, height), exif = picture.size, picture.tags.exif_for(picture.size)
    step = max(_STRIP // (2 * width * picture.samples), 1)
    return png_bytes(
        (height, width, picture.samples),
        (interleaved(picture, slice(top, top + step)) for top in range(0, height, step)),
        provenance.to_text() if provenance else {},
        picture.tags.icc_for(len(picture.levels)),
        exif.tobytes() if len(exif) else None,
    )


def _by_pillow(frames: Frames, file_format: str, quality: int | None, provenance: Provenance | None) -> bytes:
    first = frames.pictures[0]
    Image.init()
    if file_format not in Image.SAVE:  # AVIF came to Pillow in 11.3
        raise ImageError(f"this Pillow ({PIL.__version__}) cannot write {file_format}", "update it, or save as PNG")
    image, *others = (_image(picture) for picture in frames.pictures)
    exif = first.tags.exif_for(first.size, provenance.to_json() if provenance and file_format != "PNG" else None)
    options = _options(file_format, quality)
    if file_format == "PNG":
        options["pnginfo"] = _png_text(provenance)
    packed = exif.tobytes() if len(exif) and file_format != "BMP" else b""
    if packed and (file_format != "JPEG" or len(packed) <= _JPEG_EXIF_LIMIT):
        options["exif"] = packed
    if icc := first.tags.icc_for(len(first.levels)):
        options["icc_profile"] = icc
    if others:
        options |= {"save_all": True, "append_images": others, "loop": frames.loop}
        options["duration"] = list(frames.durations) or 0
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def _image(picture: Picture) -> Image.Image:
    samples = interleaved(picture)
    return Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)


def _options(file_format: str, quality: int | None) -> dict[str, object]:
    if file_format == "PNG":
        return {"compress_type": zlib.Z_RLE}  # half the time of level 4 and smaller: filtered photographs repeat little
    if file_format == "WEBP" and is_lossless(file_format, quality):
        return {"lossless": True, "exact": True}
    if not FORMATS[file_format].quality:
        return {}
    chosen: dict[str, object] = {"quality": LOSSY_QUALITY if quality is None else quality}
    return chosen if file_format == "WEBP" else {**chosen, "subsampling": "4:4:4"}


def _png_text(provenance: Provenance | None) -> PngInfo:
    info = PngInfo()
    for key, value in (provenance.to_text() if provenance else {}).items():
        info.add_text(key, value)
    return info
