"""Pictures as a screen shows them: in 8 bits, CMYK as RGB, transparent parts over a checkerboard."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from mapsr_cli.imaging.decoding import in_8_bits, inks_as_rgb
from mapsr_cli.imaging.picture import Picture, interleaved

CHECK = 8
"""Side of a square of the checkerboard, in pixels."""
_LIGHT, _DARK = 255, 205

Box = tuple[int, int, int, int]
"""Left, top, right, bottom, in pixels."""


def as_image(picture: Picture) -> Image.Image:
    """Convert a picture to an image in mode L, LA, RGB or RGBA."""
    samples = interleaved(picture)
    samples = in_8_bits(samples) if picture.peak > 255 else samples
    if len(picture.levels) == 4:
        return inks_as_rgb(Image.fromarray(samples, "CMYK"), picture.tags.icc)[0]
    return Image.fromarray(samples[..., 0] if samples.shape[2] == 1 else samples)


def enlarged(image: Image.Image, size: tuple[int, int], box: Box | None = None) -> Image.Image:
    """Enlarge an image to (width, height) by bicubic interpolation (a = −½, as MATLAB's), and cut out a box of that."""
    left, top, right, bottom = box or (0, 0, *size)
    (width, height), (wide, high) = image.size, size
    part = (left * width / wide, top * height / high, right * width / wide, bottom * height / high)
    return image.resize((right - left, bottom - top), Image.Resampling.BICUBIC, part)


def part_of(image: Image.Image, box: Box) -> Image.Image:
    """Crop. `Image.crop` would apply the pixel limit for files, which another thread may have set, to our pictures."""
    left, top, right, bottom = box
    return image.resize((right - left, bottom - top), Image.Resampling.NEAREST, box)


def over_checks(image: Image.Image) -> Image.Image:
    """Composite over a checkerboard where the image has alpha: mode L or RGB."""
    if image.mode not in ("LA", "RGBA"):
        return image
    rows, cols = (np.arange(n) // CHECK for n in (image.height, image.width))
    ground = np.where((rows[:, None] + cols) % 2, _DARK, _LIGHT).astype(np.uint8)
    mode = image.mode.removesuffix("A")
    return Image.composite(image.convert(mode), Image.fromarray(ground).convert(mode), image.getchannel("A"))


def levels_of(image: Image.Image) -> Tensor:
    """Convert an image in mode L or RGB to levels [C, h, w] uint8."""
    samples = np.atleast_3d(np.array(image))
    return torch.from_numpy(np.ascontiguousarray(samples.transpose(2, 0, 1)))
