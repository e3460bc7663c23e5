"""Decode a picture into whole levels."""

import hashlib
import io
import json
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import ExifTags, Image, ImageOps
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging.provenance import Provenance

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF")
DESCRIPTION = ExifTags.Base.ImageDescription


@dataclass(frozen=True, eq=False)
class Picture:
    """A decoded file."""

    levels: Tensor
    """[C, h, w] uint8, whole levels 0 … peak; C is 1 (grey) or 3 (RGB)."""
    peak: int
    """The level that means 1.0: 255 for 8 bits."""
    sha256: str
    """Of the file's bytes."""


def read_picture(source: Path | bytes) -> Picture:
    """Decode an 8-bit RGB or greyscale PNG, JPEG, WebP or TIFF, EXIF orientation applied.

    `source` is a path, or the file's bytes. Raises ImageError for anything that is not such a picture.
    """
    name, data = _bytes_of(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=FORMATS) as image:
                if getattr(image, "n_frames", 1) > 1:
                    raise ImageError(f"{name}: an animation or stack of {getattr(image, 'n_frames', 1)} frames")
                image.load()
                plain = _plain(ImageOps.exif_transpose(image), name)
    except ImageError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"{name}: refused as a possible decompression bomb ({error})") from error
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise ImageError(f"{name}: not a readable PNG, JPEG, WebP or TIFF ({_first_line(error)})") from error
    pixels = np.array(plain)
    levels = torch.from_numpy(pixels)
    levels = levels[None] if levels.dim() == 2 else levels.permute(2, 0, 1).contiguous()
    return Picture(levels, 255, hashlib.sha256(data).hexdigest())


def read_provenance(path: Path) -> Provenance | None:
    """What an upscaled file says about its own making; None if it says nothing."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            text = {k: v for k, v in image.info.items() if isinstance(k, str) and isinstance(v, str)}
            found = Provenance.from_text(text)
            if found is not None:
                return found
            stored = json.loads(str(image.getexif().get(DESCRIPTION, "{}")))
            return Provenance.from_text(stored) if isinstance(stored, dict) else None
    except Exception:  # a damaged file is reported by whoever decodes its pixels
        return None


def _bytes_of(source: Path | bytes) -> tuple[str, bytes]:
    if isinstance(source, bytes):
        return "standard input", source
    try:
        return str(source), source.read_bytes()
    except OSError as error:
        raise ImageError(f"{source}: {error.strerror or error}") from error


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _plain(image: Image.Image, name: str) -> Image.Image:
    """RGB or L without losing anything; refuses what 8-bit RGB or grey cannot hold."""
    if image.mode in ("RGB", "L"):
        return image
    if image.mode == "1":
        return image.convert("L")
    if image.mode == "P" and "transparency" not in image.info:
        return image.convert("RGB")
    if image.mode in ("RGBA", "LA") and image.getchannel("A").getextrema() == (255, 255):
        return image.convert(image.mode[:-1])
    what = {"RGBA": "transparency", "LA": "transparency", "P": "transparency", "PA": "transparency"}
    raise ImageError(
        f"{name}: {what.get(image.mode, f'pixel mode {image.mode}')} is not supported yet",
        "convert it to 8-bit RGB or greyscale first",
    )
