"""Decode files into pictures."""

import json
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import IO, cast

import numpy as np
import torch
from PIL import Image, ImageFile, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging.coefficients import read_coefficients
from mapsr_cli.imaging.decoding import DecodedFrame, Samples, decode
from mapsr_cli.imaging.exif import read_pages
from mapsr_cli.imaging.formats import READABLE, Holds
from mapsr_cli.imaging.kinds import Coding, decoder_of, read_coding, refuse_raw, refuse_samples, unreadable
from mapsr_cli.imaging.opening import ONE_AT_A_TIME, FileSource, OpenedFile, opened
from mapsr_cli.imaging.picture import Frames, Picture
from mapsr_cli.imaging.provenance import Provenance
from mapsr_cli.imaging.tag_reading import is_ours, read_tags
from mapsr_cli.imaging.tags import HISTORY, Tags

MAX_PIXELS = 89_478_485
"""Larger pictures are refused unless asked for: a few bytes of file can claim any size (Pillow's own limit)."""
_BOMB = "refused as a possible decompression bomb"
_PNG_CHUNK = 1 << 26
"""Bytes that a PNG's colour profile may have when unpacked: Pillow's own limit is 1 MiB, and printers' have more."""
INSTEAD = "its decoded levels are taken as exact"
"""What becomes of a JPEG without its coefficients."""
_JPEG = ("JPEG", "MPO")
_MOST_PLAYS = 65535
"""WebP counts in 16 bits."""


FrameProgress = Callable[[int, int], None]
"""Called with (frames decoded, frames)."""


def read_picture(
    source: FileSource, holds: Holds | None = None, max_pixels: int = MAX_PIXELS, *, coefficients: bool = False
) -> Picture:
    """Decode a PNG, JPEG, WebP, TIFF, BMP, AVIF, GIF or (with pillow-heif) HEIC of one frame; EXIF orientation applied.

    `source` is a path, the file's bytes, or a stream. Grey, RGB, palette, 1-bit, CMYK and transparent pictures of 8 and
    16 bits become what `holds` can take (by default all but CMYK, which becomes RGB). With `coefficients`, those of a
    JPEG are read, too. Raises ImageError for anything that is not such a picture, an animation, or more than
    `max_pixels` pixels.
    """
    frames = read_frames(source, holds, max_pixels, at_most=1, coefficients=coefficients)
    return frames.pictures[0]


def read_frames(
    source: FileSource,
    holds: Holds | None = None,
    max_pixels: int = MAX_PIXELS,
    at_most: int | None = None,
    progress: FrameProgress = lambda done, total: None,
    coefficients: bool = False,
) -> Frames:
    """Decode every frame of an animation or page of a stack as `read_picture` does.

    `progress` is called with (frames done, of how many). With `coefficients`, those of a JPEG are read, too; where they
    cannot be, a note says why. Raises ImageError as `read_picture` does, and for more frames than `at_most`.
    """
    with opened(source, max_pixels) as file:
        try:
            return _decoded(file, holds, max_pixels, at_most, progress, coefficients)
        except ImageError as error:
            raise ImageError(f"{file.name}: {error}", error.hint) from error
        except Image.DecompressionBombError as error:  # twice our limit, in formats that allocate as they open
            pixels_named = re.search(r"\d+", str(error))
            hint = f"--max-pixels {pixels_named[0]} allows it" if pixels_named else "--max-pixels allows more"
            raise ImageError(f"{file.name}: {_BOMB}", hint) from error
        except UnidentifiedImageError as error:  # it names our view of the file
            reason = unreadable(file)
            raise ImageError(f"{file.name}: {reason}", reason.hint) from error
        except MemoryError as error:
            raise ImageError(f"{file.name}: more than memory can hold", "cut the picture into parts first") from error
        except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
            raise ImageError(f"{file.name}: not a readable picture ({_first_line(error)})") from error


def _decoded(
    file: OpenedFile,
    holds: Holds | None,
    max_pixels: int,
    at_most: int | None,
    progress: FrameProgress,
    coefficients: bool,
) -> Frames:
    refuse_raw(file)
    file.check(max_pixels)
    refuse_samples(file)
    formats = [extra] if (extra := decoder_of(file)) else _readable()
    with _quiet_pillow(max_pixels), Image.open(cast(IO[bytes], file.view()), formats=formats) as image:
        places, notes = _frames_of(image, file)
        count = len(places)
        if at_most is not None and count > at_most:
            raise ImageError(
                f"an animation or stack of {count} frames", "mapsr upscale --animate takes them one by one"
            )
        pixels = image.width * image.height
        if pixels * count > max_pixels:
            what = f"{image.width}×{image.height} pixels" + (f" in {count} frames" if count > 1 else "")
            raise ImageError(f"{what}: {_BOMB}", f"--max-pixels {pixels * count} allows it")
        coding = read_coding(file) if image.format in ("AVIF", "HEIF") else Coding()
        if coding.bits > 8:
            notes += (f"reduced from {coding.bits} bits to 8, which is what its decoder gives",)
        pictures, durations, tags = [], [], None
        for done, place in enumerate(places):
            progress(done, count)
            if image.tell() != place:
                image.seek(place)
            decoded = decode(image, file, holds or Holds())
            if tags is None:  # only now: a PNG may have its EXIF after its pixels
                tags = read_tags(image, file.view(), decoded.size, coding.cicp)
            pictures.append(_picture(decoded, tags, notes))
            durations.append(int(image.info.get("duration", 0)))
        loop = _plays(image)
        if coefficients and image.format in _JPEG:
            pictures = [_with_coefficients(pictures[0], file, image)]
    if len({picture.size for picture in pictures}) > 1:
        raise ImageError("frames of different sizes", "split it into single files first")
    if len({picture.peak for picture in pictures}) > 1:
        raise ImageError("frames of 8 and of 16 bits", "split it into single files first")
    if holds and not holds.mixed:
        pictures = _of_one_kind(pictures)
    pictures = [replace(picture, sha256=file.sha256) for picture in pictures]
    return Frames(tuple(pictures), tuple(durations) if count > 1 and any(durations) else (), loop)


def _with_coefficients(picture: Picture, file: OpenedFile, image: ImageFile.ImageFile) -> Picture:
    """Add what the JPEG stores, or a note about why that cannot be had."""
    try:
        return replace(picture, jpeg=read_coefficients(file, image))
    except ImageError as error:
        reason = f"{error}; {error.hint}" if error.hint else str(error)
        return replace(picture, notes=(*picture.notes, f"its JPEG coefficients cannot be read ({reason}): {INSTEAD}"))


def _frames_of(image: ImageFile.ImageFile, file: OpenedFile) -> tuple[list[int], tuple[str, ...]]:
    """List the frames that are pictures of their own; also returns what is to be said of the others."""
    if image.format == "TIFF":
        pages = read_pages(file.view())
        places = [number for number, page in enumerate(pages) if not page.reduced] or [0]
        small = len(pages) - len(places)
        return places, (f"left out {small} thumbnail or mask{'s' * (small > 1)} beside the picture",) * (small > 0)
    count = getattr(image, "n_frames", 1)
    if image.format == "HEIF" and count > 1:
        return [image.tell()], (f"took the main one of its {count} pictures",)
    if image.format == "MPO":
        return [0], ()
    if image.format == "PNG" and image.info.get("default_image"):
        return list(range(1, count)), ("left out the still image that is no part of the animation",)
    return list(range(count)), ()


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


def _picture(frame: DecodedFrame, tags: Tags, notes: tuple[str, ...]) -> Picture:
    alpha = None if frame.alpha is None else _planes(frame.alpha[..., None])
    if frame.inks_became_rgb:
        tags = replace(tags, icc=None)
    return Picture(_planes(frame.colour), frame.peak, "", alpha, tags, notes + frame.notes)


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
    with ONE_AT_A_TIME, warnings.catch_warnings():
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


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
