"""Encode pictures into the bytes of a file."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging.formats import FORMATS, is_lossless
from mapsr_cli.imaging.picture import Frames, Picture
from mapsr_cli.imaging.png import png_bytes
from mapsr_cli.imaging.provenance import Provenance
from mapsr_cli.imaging.tiff import tiff_bytes

LOSSY_QUALITY = 95
_JPEG_EXIF_LIMIT = 65_533
"""Bytes of EXIF that fit into a JPEG: more (from a PNG or TIFF, say) is left out."""


def encode(picture: Picture, file_format: str, quality: int | None, provenance: Provenance | None) -> bytes:
    """A picture as the bytes of a file, with profile, EXIF and provenance.

    The picture must be one that the format holds (`FORMATS[file_format].holds`). Raises ImageError where it is too
    large for the format, or the format is not there.
    """
    return encode_frames(Frames((picture,)), file_format, quality, provenance)


def encode_frames(frames: Frames, file_format: str, quality: int | None, provenance: Provenance | None) -> bytes:
    """As `encode`; several frames become an animation, or pages of a TIFF."""
    first = frames.pictures[0]
    count = len(frames.pictures)
    if count > 1 and not FORMATS[file_format].frames:
        raise ImageError(f"{file_format} holds one frame, not {count}", "save as PNG, WebP, AVIF or TIFF")
    try:
        if file_format == "TIFF":
            history = provenance.to_json() if provenance else None
            pages = [_page(picture) for picture in frames.pictures]
            return tiff_bytes(pages, first.tags.exif_for(first.size, history))
        if file_format == "PNG" and first.peak > 255:
            if count > 1:
                raise ImageError("animations of 16 bits are not supported", "save as TIFF")
            text = provenance.to_text() if provenance else {}
            exif = first.tags.exif_for(first.size)
            icc = first.tags.icc_for(len(first.levels))
            return png_bytes(_samples(first), text, icc, exif.tobytes() if len(exif) else None)
        return _by_pillow(frames, file_format, quality, provenance)
    except (OSError, ValueError, KeyError, MemoryError) as error:
        size = f"{first.size[0]}×{first.size[1]}"
        raise ImageError(f"cannot encode {size} pixels as {file_format} ({error})", "save it as PNG") from error


def _page(picture: Picture) -> tuple[Picture, NDArray[Any]]:
    if picture.peak > 255 and picture.alpha is not None:  # grey, Pillow (hence `verify`) could not read again
        picture = replace(picture, levels=picture.levels.expand(3, -1, -1))
    return picture, _samples(picture)


def _samples(picture: Picture) -> NDArray[Any]:
    """[H, W, S] colour, then alpha."""
    colours, height, width = picture.levels.shape
    dtype = np.uint8 if picture.peak == 255 else np.uint16
    samples = np.empty((height, width, colours + (picture.alpha is not None)), dtype)
    samples[..., :colours] = picture.levels.cpu().numpy().transpose(1, 2, 0)
    if picture.alpha is not None:
        samples[..., colours] = picture.alpha[0].cpu().numpy()
    return samples


def _by_pillow(frames: Frames, file_format: str, quality: int | None, provenance: Provenance | None) -> bytes:
    first = frames.pictures[0]
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
    samples = _samples(picture)
    return Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)


def _options(file_format: str, quality: int | None) -> dict[str, object]:
    if file_format == "PNG":
        return {"compress_level": 4}
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
