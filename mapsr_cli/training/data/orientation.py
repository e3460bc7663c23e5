"""The orientations in which a patch may be met: by the augmentation that is asked for, and by what A allows."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from mapsr_cli.operators import Kernel
from mapsr_cli.training.data.config import DataConfig

Orientation = tuple[int, bool]
"""Quarter turns, and whether mirrored after them."""
Value = TypeVar("Value", bound=np.generic)


def orientations(config: DataConfig, kernel: Kernel) -> list[Orientation]:
    """Those of the augmentation (eight; two if upright; one without) in which A is the same as it stands.

    For others A g y is not g A y, so that an estimate of g x, turned back, is no longer one of x. A kernel off its
    block's centre (`gaussian9` at ×4) leaves two of eight, a measured one perhaps none but the first.
    """
    turns = (0,) if config.upright or not config.augment else range(4)
    mirrored = (False, True) if config.augment else (False,)
    return [(k, flip) for k in turns for flip in mirrored if _same(kernel, (k, flip))]


def seen(pixels: NDArray[Value], orientation: Orientation) -> NDArray[Value]:
    """[…, H, W] turned and mirrored."""
    turns, mirrored = orientation
    turned = np.rot90(pixels, turns, (-2, -1))
    return turned[..., ::-1] if mirrored else turned


def _same(kernel: Kernel, orientation: Orientation) -> bool:
    """Whether the kernel's weights, around the middle of an LR pixel's block, look the same so."""
    (weights, first), around = kernel.plane(), kernel.overhang
    plane = np.zeros((kernel.scale + 2 * around,) * 2)
    (top, left), (rows, columns) = (around + at for at in first), weights.shape
    plane[top : top + rows, left : left + columns] = weights
    return np.allclose(seen(plane, orientation), plane, rtol=0, atol=1e-12)
