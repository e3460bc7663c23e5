"""Encode pictures into the bytes of a file, and write them."""

import io
import zlib
from collections.abc import Iterator
from pathlib import Path

import PIL
from PIL import Image
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.files import write_bytes
from mapsr_cli.imaging.formats import FORMATS, is_lossless, output_format
from mapsr_cli.imaging.jpeg import COMMENT, EXIF, Segment, iptc_segment, with_segments, xmp_segment
from mapsr_cli.imaging.picture import Frames, Picture, interleaved
from mapsr_cli.imaging.png import Chunk, density_chunk, icc_chunk, png_bytes, text_chunk, with_chunks
from mapsr_cli.imaging.provenance import Provenance
from mapsr_cli.imaging.tiff import tiff_bytes

LOSSY_QUALITY = 95
_STRIP = 1 << 22
"""Bytes of a 16-bit PNG filtered at once."""


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
    """Encode as `encode` does; several frames become an animation, or pages of a TIFF.

    Raises ImageError as `encode` does, and where the format holds one frame, or no 16-bit animation.
    """
    first = frames.pictures[0]
    count = len(frames.pictures)
    if count > 1 and not FORMATS[file_format].frames:
        raise ImageError(f"{file_format} holds one frame, not {count}", "save as PNG, WebP, AVIF or TIFF")
    try:
        if file_format == "TIFF":
            return tiff_bytes([_page(picture) for picture in frames.pictures], provenance)
        if file_format == "PNG" and first.peak > 255:
            if count > 1:
                raise ImageError("animations of 16 bits are not supported", "save as TIFF")
            return with_chunks(_deep_png(first), _chunks(first, provenance))
        data = _by_pillow(frames, file_format, quality, provenance)
        if file_format == "PNG":
            return with_chunks(data, _chunks(first, provenance))
        return with_segments(data, _segments(first, provenance)) if file_format == "JPEG" else data
    except (OSError, ValueError, KeyError, MemoryError) as error:
        size = f"{first.size[0]}×{first.size[1]}"
        raise ImageError(f"cannot encode {size} pixels as {file_format} ({error})", "save it as PNG") from error


def _page(picture: Picture) -> Picture:
    if picture.peak > 255 and picture.alpha is not None:  # grey, Pillow (hence `verify`) could not read again
        return picture.as_kind(3, alpha=True)
    return picture


def _deep_png(picture: Picture) -> bytes:
    width, height = picture.size
    step = max(_STRIP // (2 * width * picture.samples), 1)
    strips = (interleaved(picture, slice(top, top + step)) for top in range(0, height, step))
    return png_bytes((height, width, picture.samples), strips)


def _chunks(picture: Picture, provenance: Provenance | None) -> Iterator[Chunk]:
    """Yield what a PNG holds beside pixels."""
    tags, size, icc = picture.tags, picture.size, picture.tags.icc_for(len(picture.levels))
    yield from ((kind, data) for kind, data in tags.colour if not (icc and kind == b"sRGB"))
    if icc:
        yield icc_chunk(icc)
    if resolution := tags.resolution_for(size):
        yield density_chunk(resolution)
    yield from (text_chunk(key, value) for key, value in (provenance.to_text() if provenance else {}).items())
    yield from tags.text
    if tags.comment:
        yield text_chunk("Comment", tags.comment.decode("utf-8", "replace"))
    if xmp := tags.xmp_for(size):
        yield b"iTXt", b"XML:com.adobe.xmp\x00\x00\x00\x00\x00" + xmp
    if exif := tags.exif_for(size, None, "PNG"):
        yield b"eXIf", exif.removeprefix(b"Exif\x00\x00")


def _segments(picture: Picture, provenance: Provenance | None) -> Iterator[Segment]:
    """Yield what a JPEG holds beside pixels, profile and resolution."""
    tags, size = picture.tags, picture.size
    if exif := tags.exif_for(size, provenance.to_json() if provenance else None, "JPEG"):
        yield EXIF, exif
    if xmp := tags.xmp_for(size):
        yield xmp_segment(xmp)
    if tags.iptc:
        yield iptc_segment(tags.iptc)
    if tags.comment:
        yield COMMENT, tags.comment


def _by_pillow(frames: Frames, file_format: str, quality: int | None, provenance: Provenance | None) -> bytes:
    first = frames.pictures[0]
    Image.init()
    if file_format not in Image.SAVE:  # AVIF came to Pillow in 11.3
        raise ImageError(f"this Pillow ({PIL.__version__}) cannot write {file_format}", "update it, or save as PNG")
    image, *others = (_image(picture) for picture in frames.pictures)
    options, tags = _options(file_format, quality), first.tags
    if file_format in ("WEBP", "AVIF"):
        history = provenance.to_json() if provenance else None
        given = {"exif": tags.exif_for(first.size, history, file_format), "xmp": tags.xmp_for(first.size)}
        options |= {name: data for name, data in given.items() if data}
    elif file_format in ("JPEG", "BMP") and (resolution := tags.resolution_for(first.size)):
        options["dpi"] = resolution
    if file_format != "PNG" and (icc := tags.icc_for(len(first.levels))):
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
