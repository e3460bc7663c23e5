"""How much samples of one picture differ at each pixel, from running sums: only one sample is in memory at a time."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mapsr_cli.errors import UsageError
from mapsr_cli.views.crops import block_means

MOST = 99
"""Largest number of samples: the sums of more would not fit into 16 and 32 bits."""
_ROWS = 256


class Spread:
    """Standard deviation over samples at each pixel, of 8-bit levels; takes 4 + 2 C bytes a pixel."""

    def __init__(self) -> None:
        self.samples = 0
        self._sums = np.zeros((0, 0, 0), np.uint16)
        self._squares = np.zeros((0, 0), np.uint32)

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self._squares.shape[1], self._squares.shape[0]

    def add(self, levels: NDArray[np.uint8]) -> None:
        """Add one sample: [H, W] or [H, W, C] levels 0 … 255. Raises UsageError for a size unlike the others'."""
        levels = np.atleast_3d(levels)
        if self.samples == 0:
            self._sums, self._squares = np.zeros(levels.shape, np.uint16), np.zeros(levels.shape[:2], np.uint32)
        if levels.shape != self._sums.shape or self.samples == MOST:
            raise UsageError(f"a sample of {list(levels.shape)} does not go with {self.samples} of {self._sums.shape}")
        for top in range(0, len(levels), _ROWS):
            rows = slice(top, top + _ROWS)
            self._sums[rows] += levels[rows]
            self._squares[rows] += np.square(levels[rows], dtype=np.uint32).sum(2, dtype=np.uint32)
        self.samples += 1

    def variance(self, rows: slice) -> NDArray[np.float64]:
        """Return the unbiased variance over two or more samples, averaged over colours: [rows, W] in squared levels."""
        sums = self._sums[rows].astype(np.float64)
        excess = self.samples * self._squares[rows] - np.square(sums).sum(2)
        variance: NDArray[Any] = excess / (self.samples * (self.samples - 1) * sums.shape[2])
        return variance

    def deviation(self, block: int) -> NDArray[np.float64]:
        """Return the root of the mean variance over blocks of pixels: [⌈H/block⌉, ⌈W/block⌉] in levels."""
        deviation: NDArray[np.float64] = np.sqrt(block_means(self.variance, self.size, block))
        return deviation

    def summary(self) -> tuple[float, float]:
        """Return the deviation in levels: of the whole picture (root mean variance), and the largest of any pixel."""
        total, largest = 0.0, 0.0
        for top in range(0, self.size[1], _ROWS):
            band = self.variance(slice(top, top + _ROWS))
            total, largest = total + float(band.sum()), max(largest, float(band.max()))
        return (total / self._squares.size) ** 0.5, largest**0.5
