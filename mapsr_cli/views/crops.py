"""Which part of a large picture is worth looking at."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapsr_cli.views.screen import Box

BLOCK = 16
"""Pixels a side of the blocks that crops start at."""
_AT_ONCE = 1 << 20
"""Pixels processed together, about."""

Rows = Callable[[slice], NDArray[Any]]
"""Returns rows [rows, W] of a map that need not exist as a whole."""


def block_means(rows: Rows, size: tuple[int, int], block: int = BLOCK) -> NDArray[np.float64]:
    """Average a map of `size` (W, H) over its blocks, which may be cut off at the edges: [⌈H/block⌉, ⌈W/block⌉]."""
    width, height = size
    step = block * max(_AT_ONCE // (block * width), 1)
    columns = np.arange(0, width, block)
    across = np.diff(columns, append=width)
    means = []
    for top in range(0, height, step):
        band = slice(top, min(top + step, height))
        sums = np.add.reduceat(rows(band).astype(np.float64), columns, axis=1)
        starts = np.arange(0, band.stop - top, block)
        down = np.diff(starts, append=band.stop - top)
        means.append(np.add.reduceat(sums, starts, axis=0) / (down[:, None] * across))
    return np.concatenate(means)


def busiest(means: NDArray[np.float64], size: tuple[int, int], crop: tuple[int, int]) -> Box:
    """Find the crop (width, height) of a picture of `size` (W, H) with the largest sum; `means` are of BLOCKs."""
    down, across = (min(max(n // BLOCK, 1), have) for n, have in zip((crop[1], crop[0]), means.shape, strict=True))
    sums = np.pad(means.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    inside = sums[down:, across:] - sums[:-down, across:] - sums[down:, :-across] + sums[:-down, :-across]
    row, col = np.unravel_index(int(inside.argmax()), inside.shape)
    left, top = (max(min(BLOCK * int(at), n - c), 0) for at, n, c in zip((col, row), size, crop, strict=True))
    return left, top, min(left + crop[0], size[0]), min(top + crop[1], size[1])
