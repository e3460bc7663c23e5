"""Decodes image files to 8-bit RGB or grey.

This is more lenient than `imaging`, which must return every sample: alpha is dropped, 16 bits become 8, palettes and
CMYK become RGB.
"""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "PPM")
SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".bmp", ".ppm", ".pgm")
MODE = {1: "L", 3: "RGB"}
SIDEWAYS = (5, 6, 7, 8)  # EXIF orientations that swap height and width

ByteLevels = NDArray[np.uint8]
"""[C, H, W] levels 0 … 255."""
WholeImage = Image.Image | ByteLevels
"""As Pillow decodes it (only the patch is converted), or as the cache keeps it."""


class UnreadableError(Exception):
    """A file gives no pixels; the message says why."""


def looks_like_image(name: str) -> bool:
    """Return whether a file's name has an image's suffix and is not hidden."""
    return name.lower().endswith(SUFFIXES) and not name.rpartition("/")[2].startswith(".")


def oriented_size(path: Path) -> tuple[int, int]:
    """Read (H, W) after EXIF orientation from the header alone. Raises UnreadableError."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            # A TIFF's size is turned already; a PNG's EXIF behind its pixels is too dear to look for here.
            sideways = "exif" in image.info and image.getexif().get(ExifTags.Base.Orientation) in SIDEWAYS
            return (image.width, image.height) if sideways else (image.height, image.width)
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise UnreadableError(str(error)) from error


def decode(source: Path | bytes, colours: int) -> Image.Image:
    """Decode a file or its bytes to RGB (3 colours) or L (1), EXIF orientation applied. Raises UnreadableError."""
    try:
        with Image.open(io.BytesIO(source) if isinstance(source, bytes) else source, formats=FORMATS) as image:
            image.load()
            ImageOps.exif_transpose(image, in_place=True)
            return _eight_bits(image, MODE[colours])
    except Exception as error:  # Pillow's decoders raise nearly anything on damaged files
        raise UnreadableError(str(error)) from error


def levels(image: Image.Image) -> ByteLevels:
    """Return the levels [C, H, W] of an RGB or L image."""
    pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)


def image_of(levels: ByteLevels) -> Image.Image:
    """Make an RGB or L image of levels [C, H, W]."""
    return Image.fromarray(levels[0] if len(levels) == 1 else np.ascontiguousarray(levels.transpose(1, 2, 0)))


def size_of(image: WholeImage) -> tuple[int, int]:
    """Return (H, W)."""
    return (image.height, image.width) if isinstance(image, Image.Image) else (image.shape[1], image.shape[2])


def crop(image: WholeImage, top: int, left: int, size: tuple[int, int]) -> ByteLevels:
    """Return the levels [C, *size] of a part of an image."""
    height, width = size
    if isinstance(image, Image.Image):
        return levels(image.crop((left, top, left + width, top + height)))
    return image[:, top : top + height, left : left + width]


def _eight_bits(image: Image.Image, mode: str) -> Image.Image:
    if image.mode == "F":
        raise ValueError("floating-point pixels have no known range")
    if image.mode.startswith("I"):  # 16-bit grey, which Pillow itself would clip at 255
        levels = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = Image.fromarray(((levels + 128) // 257).astype(np.uint8))
    elif image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image if image.mode == mode else image.convert(mode)
