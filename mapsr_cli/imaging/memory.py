"""Pictures in memory: PIL images and numpy arrays, as Python code has them."""

from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging.picture import Picture

Pixels = NDArray[Any]
"""uint8 or uint16."""
PictureLike = TypeVar("PictureLike", Image.Image, Pixels)
_MODES = ("L", "LA", "RGB", "RGBA")
_PEAKS = {"uint8": 255, "uint16": 65535}


def picture_from(given: Image.Image | Pixels) -> Picture:
    """A PIL image in mode L, LA, RGB or RGBA, or an array of uint8 or uint16: [h, w], or [h, w, S] of such samples.

    EXIF orientation is applied. Raises ImageError for anything else.
    """
    if isinstance(given, Image.Image):
        if given.mode not in _MODES:
            raise ImageError(f"an image in mode {given.mode} is neither grey nor RGB", "convert('RGB') makes it so")
        pixels = np.array(ImageOps.exif_transpose(given))
    else:
        pixels = np.array(given)
        fits = pixels.ndim == 2 or (pixels.ndim == 3 and 1 <= pixels.shape[2] <= 4)
        if not (str(pixels.dtype) in _PEAKS and fits and pixels.size):
            raise ImageError(
                f"an array of {pixels.dtype} {list(pixels.shape)} is no picture",
                "give uint8 or uint16, [height, width] or [height, width, 3]",
            )
    planes = torch.from_numpy(np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1)))
    colours = 3 if len(planes) > 2 else 1
    alpha = planes[colours:] if len(planes) > colours else None
    return Picture(planes[:colours], _PEAKS[str(pixels.dtype)], alpha=alpha)


def picture_like(picture: Picture, example: PictureLike) -> PictureLike:
    """A picture as what `example` is: a PIL image, or an array with as many axes."""
    planes = picture.levels if picture.alpha is None else torch.cat([picture.levels, picture.alpha])
    if isinstance(example, Image.Image):
        return Image.fromarray(_interleaved(planes[0] if len(planes) == 1 else planes))
    return _interleaved(planes[0] if np.ndim(example) == 2 else planes)


def _interleaved(planes: Tensor) -> Pixels:
    pixels: Pixels = (planes.permute(1, 2, 0) if planes.dim() == 3 else planes).contiguous().numpy()
    return pixels
