"""Decode files into pictures."""

import hashlib
import io
import json
import re
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from PIL import Image, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging.decoding import DecodedFrame, Samples, decode
from mapsr_cli.imaging.formats import READABLE, Holds
from mapsr_cli.imaging.picture import Frames, Picture
from mapsr_cli.imaging.provenance import Provenance
from mapsr_cli.imaging.tag_reading import is_ours, read_tags
from mapsr_cli.imaging.tags import HISTORY, Tags

MAX_PIXELS = 89_478_485
"""Larger pictures are refused unless asked for: a few bytes of file can claim any size (Pillow's own limit)."""
_BOMB = "refused as a possible decompression bomb"
_PNG_CHUNK = 1 << 26
"""Bytes that a PNG's colour profile may have when unpacked: Pillow's own limit is 1 MiB, and printers' have more."""
_MOST_PLAYS = 65535
"""WebP counts in 16 bits."""
_ONE_AT_A_TIME = threading.Lock()
"""Pillow's limits and Python's warnings are global: whoever changes them for a while does so alone."""


def read_picture(source: Path | bytes, holds: Holds | None = None, max_pixels: int = MAX_PIXELS) -> Picture:
    """Decode a PNG, JPEG, WebP, TIFF, BMP, AVIF or GIF of one frame; EXIF orientation applied.

    `source` is a path, or the file's bytes. Grey, RGB, palette, 1-bit, CMYK and transparent pictures of 8 and 16 bits
    become what `holds` can take (by default all but CMYK, which becomes RGB). Raises ImageError for anything that is
    not such a picture, an animation, or more than `max_pixels` pixels.
    """
    frames = read_frames(source, holds, max_pixels, at_most=1)
    return frames.pictures[0]


def read_frames(
    source: Path | bytes,
    holds: Holds | None = None,
    max_pixels: int = MAX_PIXELS,
    at_most: int | None = None,
) -> Frames:
    """Decode every frame of an animation or page of a stack as `read_picture` does; refuse more than `at_most`."""
    name, data = _bytes_of(source)
    digest = hashlib.sha256(data).hexdigest()
    try:
        with _quiet_pillow(max_pixels), Image.open(io.BytesIO(data), formats=_readable()) as image:
            count = 1 if image.format == "MPO" else getattr(image, "n_frames", 1)
            if at_most is not None and count > at_most:
                raise ImageError(f"an animation or stack of {count} frames", "--animate takes them one by one")
            pixels = image.width * image.height
            if pixels * count > max_pixels:
                what = f"{image.width}×{image.height} pixels" + (f" in {count} frames" if count > 1 else "")
                raise ImageError(f"{what}: {_BOMB}", f"--max-pixels {pixels * count} allows it")
            pictures, durations, tags = [], [], None
            for frame in range(count):
                if count > 1:
                    image.seek(frame)
                decoded = decode(image, data, holds or Holds())
                if tags is None:  # only now: a PNG may have its EXIF after its pixels
                    tags = read_tags(image, io.BytesIO(data), decoded.size)
                pictures.append(_picture(decoded, digest, tags))
                durations.append(int(image.info.get("duration", 0)))
            loop = _plays(image)
        if len({picture.size for picture in pictures}) > 1:
            raise ImageError("frames of different sizes", "split it into single files first")
        if len({picture.peak for picture in pictures}) > 1:
            raise ImageError("frames of 8 and of 16 bits", "split it into single files first")
        if holds and not holds.mixed:
            pictures = _of_one_kind(pictures)
    except ImageError as error:
        raise ImageError(f"{name}: {error}", error.hint) from error
    except Image.DecompressionBombError as error:  # twice our limit, in formats that allocate as they open
        pixels_named = re.search(r"\d+", str(error))
        hint = f"--max-pixels {pixels_named[0]} allows it" if pixels_named else "--max-pixels allows more"
        raise ImageError(f"{name}: {_BOMB}", hint) from error
    except UnidentifiedImageError as error:  # it names our buffer, not the file
        raise ImageError(f"{name}: not a picture of any kind that is known here") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise ImageError(f"{name}: not a readable picture ({_first_line(error)})") from error
    return Frames(tuple(pictures), tuple(durations) if count > 1 and any(durations) else (), loop)


def read_provenance(path: Path) -> Provenance | None:
    """Read what an upscaled file says about its own making; None if it says nothing."""
    try:
        with _quiet_pillow(None), Image.open(path, formats=_readable()) as image:
            text = {k: v for k, v in image.info.items() if isinstance(k, str) and isinstance(v, str)}
            provenance = Provenance.from_text(text)
            if provenance is not None:
                return provenance
            ours = [line for line in str(image.getexif().get(HISTORY, "")).splitlines() if is_ours(line)]
            return Provenance.from_text(json.loads(ours[-1])) if ours else None
    except Exception:  # a damaged file is reported by whoever decodes its pixels
        return None


def _picture(frame: DecodedFrame, digest: str, tags: Tags) -> Picture:
    alpha = None if frame.alpha is None else _planes(frame.alpha[..., None])
    if frame.inks_became_rgb:
        tags = replace(tags, icc=None)
    return Picture(_planes(frame.colour), frame.peak, digest, alpha, tags, frame.notes)


def _of_one_kind(pictures: list[Picture]) -> list[Picture]:
    """Make all RGB where one is, and give all alpha where one has any."""
    colours, alpha = max(len(picture.levels) for picture in pictures), any(p.alpha is not None for p in pictures)
    return [picture.as_kind(colours, alpha) for picture in pictures]


def _plays(image: Image.Image) -> int:
    """Tell how often an animation plays, 0 for ever. A GIF counts what follows the first time, or leaves that out."""
    loop = int(image.info.get("loop", 0))
    repeated = image.format == "GIF" and (loop > 0 or "loop" not in image.info)
    return min(loop + 1, _MOST_PLAYS) if repeated else loop


def _planes(samples: Samples) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(samples.transpose(2, 0, 1)))


@contextmanager
def _quiet_pillow(max_pixels: int | None) -> Iterator[None]:
    """Silence Pillow's warnings and set its limits to ours (its error comes at twice as many pixels)."""
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pixels, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, max_pixels
        chunk, PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_CHUNK, _PNG_CHUNK
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = pixels, chunk


def _readable() -> list[str]:
    """List the formats that this Pillow knows (not every build has AVIF)."""
    Image.init()
    return [name for name in READABLE if name in Image.OPEN]


def _bytes_of(source: Path | bytes) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return "standard input", source
    try:
        kind = source.stat().st_mode
        if stat.S_ISCHR(kind) or stat.S_ISBLK(kind):
            raise ImageError(f"{source}: a device, not a picture")
        return str(source), source.read_bytes()
    except OSError as error:
        raise ImageError(f"{source}: {error.strerror or error}") from error
    except MemoryError as error:
        what = f"{source.stat().st_size:,} bytes are more than memory can hold"
        raise ImageError(f"{source}: {what}", "cut the picture into parts first") from error
    except ValueError as error:  # a name with a null byte in it
        raise ImageError(f"{source!r}: {error}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
