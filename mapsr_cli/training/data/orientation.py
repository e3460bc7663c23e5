"""Orientations of a patch: those of the augmentation, and those that commute with A."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mapsr_cli.operators import Kernel
from mapsr_cli.training.data.config import DataConfig

Orientation = tuple[int, bool]
"""Quarter turns, and whether mirrored after them."""
Value = TypeVar("Value", bound=np.generic)


def orientations(config: DataConfig, kernel: Kernel) -> list[Orientation]:
    """Return the orientations g of the augmentation (eight; two if upright; one without) with A g y = g A y.

    For others, an estimate of g x, turned back, is no longer an estimate of x. A kernel off its block's centre
    (`gaussian9` at ×4) leaves two of eight, a measured one perhaps only the identity.
    """
    turns = (0,) if config.upright or not config.augment else range(4)
    mirrored = (False, True) if config.augment else (False,)
    return [(k, flip) for k in turns for flip in mirrored if _same(kernel, (k, flip))]


def patch_orientations(config: DataConfig, kernel: Kernel) -> list[Orientation]:
    """Return those that also keep a patch's size: without quarter turns, unless it is a square."""
    square = config.patch[0] == config.patch[1]
    return [view for view in orientations(config, kernel) if square or view[0] % 2 == 0]


def seen(pixels: NDArray[Value], orientation: Orientation) -> NDArray[Value]:
    """Turn and mirror pixels […, H, W]."""
    turns, mirrored = orientation
    turned = np.rot90(pixels, turns, (-2, -1))
    return turned[..., ::-1] if mirrored else turned


def unseen(pixels: NDArray[Value], orientation: Orientation) -> NDArray[Value]:
    """Turn and mirror pixels […, H, W] back, as they were before `seen`."""
    turns, mirrored = orientation
    return np.rot90(pixels[..., ::-1] if mirrored else pixels, -turns, (-2, -1))


def _same(kernel: Kernel, orientation: Orientation) -> bool:
    """Return whether the kernel's weights around the middle of an LR pixel's block are unchanged by it."""
    (weights, first), around = kernel.plane(), kernel.overhang
    plane = np.zeros((kernel.scale + 2 * around,) * 2)
    (top, left), (rows, columns) = (around + at for at in first), weights.shape
    plane[top : top + rows, left : left + columns] = weights
    return np.allclose(seen(plane, orientation), plane, rtol=0, atol=1e-12)
