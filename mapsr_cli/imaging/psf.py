"""Kernels by name, measured ones from a file."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mapsr_cli.errors import KernelError, UsageError
from mapsr_cli.operators import Kernel, make_kernel, make_psf

PREFIX = "file:"
MOST_WEIGHTS = 1 << 24
"""A file with more is no point-spread function, and is not read."""


def find_kernel(name: str, scale: int, sigma: float | None = None) -> Kernel:
    """Find the kernel that a user names: one of `make_kernel`, or `file:PSF.npy`, `file:PSF.png`.

    A measured kernel is called by its file's name alone: pictures store that, and are none of them to name folders.
    Raises UsageError for an unknown name or an option that has no meaning there, KernelError for a file that holds no
    point-spread function.
    """
    if not name.startswith(PREFIX):
        return make_kernel(name, scale, sigma)
    if sigma is not None:
        raise UsageError("--sigma has no meaning for a measured kernel", "it belongs to gaussianN")
    path = Path(name.removeprefix(PREFIX))
    return make_psf(PREFIX + path.name, read_psf(path), scale)


def read_psf(path: Path) -> NDArray[Any]:
    """Read the weights of a point-spread function [P, Q]; `make_psf` checks them.

    `.npy` holds them as they are; `.png` as the grey levels, 8 or 16 bits, of the picture of a point. Raises
    KernelError for a file that cannot be read, UsageError for one of another kind.
    """
    readers = {".npy": _read_npy, ".png": _read_png}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise UsageError(f"{path}: a point-spread function is a .npy or .png file", "--kernel file:psf.npy")
    if path.exists() and not path.is_file():
        raise KernelError(f"{path} is not a regular file")
    try:
        return reader(path)
    except KernelError:
        raise
    except OSError as error:
        hint = "--kernel file:PATH names a measured kernel, --model a model that was trained for one"
        raise KernelError(f"{path}: {error.strerror or error}", hint) from error
    except Exception as error:  # NumPy and Pillow raise nearly anything on damaged files
        raise KernelError(f"{path}: not a readable {path.suffix} file ({error})") from error


def _read_npy(path: Path) -> NDArray[Any]:
    stored = np.load(path, mmap_mode="r", allow_pickle=False)  # mapped: nothing is read before its size is known
    _check_size(path, stored.size)
    return np.array(stored)


def _read_png(path: Path) -> NDArray[Any]:
    with Image.open(path, formats=("PNG",)) as image:
        _check_size(path, image.width * image.height)
        if "A" in image.getbands() or "transparency" in image.info:
            raise KernelError(f"{path}: a point-spread function has no transparency", "save it as grey levels")
        levels = np.array(image if image.mode.startswith("I") else image.convert("RGB"))
    if levels.ndim == 3 and not (levels == levels[..., :1]).all():
        raise KernelError(f"{path}: a point-spread function has no colour", "save it as grey levels")
    return levels if levels.ndim == 2 else levels[..., 0]


def _check_size(path: Path, weights: int) -> None:
    if weights > MOST_WEIGHTS:
        raise KernelError(f"{path}: {weights} weights are too many for a point-spread function")
