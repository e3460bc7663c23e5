"""Pictures in memory, as Python code has them: PIL images, numpy arrays and tensors of whole levels."""

from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging.picture import Picture

ArrayLevels = NDArray[Any]
"""uint8 or uint16: [h, w], or [h, w, S] with 1 to 4 samples a pixel."""
PictureLike = TypeVar("PictureLike", Image.Image, ArrayLevels, Tensor, Picture)
_MODES = ("L", "LA", "RGB", "RGBA")
_PEAKS = {"uint8": 255, "uint16": 65535}
_SAMPLES = range(1, 5)


def picture_from(given: Image.Image | ArrayLevels | Tensor | Picture) -> Picture:
    """Make a picture of a PIL image, an array, or a tensor [h, w], [S, h, w] or [1, S, h, w].

    Images in mode L, LA, RGB or RGBA (EXIF orientation is applied), arrays and tensors of uint8 or uint16. Raises
    ImageError for anything else, with what to do instead.
    """
    if isinstance(given, Picture):
        return given
    if isinstance(given, Tensor):
        planes = _planes_of_tensor(given.detach().cpu())
    elif isinstance(given, str | Path):
        raise ImageError(
            f"'{given}' is a path, not a picture",
            "PIL.Image.open(path) reads it; `mapsr upscale` goes from file to file",
        )
    else:
        planes = _planes_of_pixels(given)
    colours = 3 if len(planes) > 2 else 1
    alpha = planes[colours:] if len(planes) > colours else None
    return Picture(planes[:colours], _peak(planes), alpha=alpha)


def _peak(planes: Tensor) -> int:
    return _PEAKS[str(planes.dtype).removeprefix("torch.")]


def _planes_of_pixels(given: Image.Image | ArrayLevels) -> Tensor:
    if isinstance(given, Image.Image):
        if given.mode not in _MODES:
            raise ImageError(f"an image in mode {given.mode} is neither grey nor RGB", "convert('RGB') makes it so")
        pixels = np.array(ImageOps.exif_transpose(given))
    else:
        pixels = np.array(given)
        fits = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in _SAMPLES)
        if not (str(pixels.dtype) in _PEAKS and fits and pixels.size):
            hint = _hint(pixels.dtype.kind == "f", "[height, width] or [height, width, 3]")
            raise ImageError(f"an array of {pixels.dtype} {list(pixels.shape)} is no picture", hint)
    return torch.from_numpy(np.ascontiguousarray(np.atleast_3d(pixels).transpose(2, 0, 1)))


def _planes_of_tensor(given: Tensor) -> Tensor:
    kind, shape = str(given.dtype).removeprefix("torch."), list(given.shape)
    planes = given[None] if given.dim() == 2 else given[0] if given.dim() == 4 and len(given) == 1 else given
    if kind in _PEAKS and given.numel() and planes.dim() == 3 and len(planes) in _SAMPLES:
        return planes.contiguous()
    hint = _hint(given.is_floating_point(), "[height, width], [3, height, width] or [1, 3, height, width]")
    if kind in _PEAKS and planes.dim() == 3 and shape[-1] in _SAMPLES:
        hint = "tensors have their colours first: permute(2, 0, 1)"
    elif kind in _PEAKS and given.dim() == 4:
        hint = "one picture at a time"
    raise ImageError(f"a tensor of {kind} {shape} is no picture", hint)


def _hint(floats: bool, shapes: str) -> str:
    if floats:
        return "levels are whole numbers: uint8 0 … 255 or uint16 0 … 65535; `mapsr_cli.load` takes floats in 0 … 1"
    return f"give uint8 or uint16, {shapes}"


def picture_like(picture: Picture, example: PictureLike) -> PictureLike:
    """Turn a picture into what `example` is: a PIL image, an array or a tensor with as many axes, on its device."""
    if isinstance(example, Picture):
        return picture  # type: ignore[return-value]  # mypy tries a class that is both
    planes = picture.levels if picture.alpha is None else torch.cat([picture.levels, picture.alpha])
    if isinstance(example, Tensor):
        return (planes[0] if example.dim() == 2 else planes[None] if example.dim() == 4 else planes).to(example.device)
    if isinstance(example, Image.Image):
        return Image.fromarray(_interleaved(planes[0] if len(planes) == 1 else planes))
    return _interleaved(planes[0] if np.ndim(example) == 2 else planes)


def _interleaved(planes: Tensor) -> ArrayLevels:
    pixels: ArrayLevels = (planes.permute(1, 2, 0) if planes.dim() == 3 else planes).contiguous().numpy()
    return pixels
