"""Noise maps z for a stochastic network (Appendix F), the same however and wherever they are computed.

z at a pixel depends on the seed, the sample's number and the pixel's place alone: not on tiles, the picture's size or
the device. So a large picture never needs all of it at once, colour and alpha are drawn with the same z, and so are the
frames of an animation, which would flicker otherwise.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

BLOCK = 64
"""LR pixels a side of what is drawn at once, with a generator of its own: another size is other noise."""


@dataclass(frozen=True)
class Noise:
    """z of one sample."""

    maps: int
    """The network's `noise_dim`."""
    seed: int
    """0 or more."""
    sample: int
    """0 or more."""

    def draw(self, rows: slice, cols: slice) -> Tensor:
        """Draw z for LR rows and columns: [maps, rows, cols] float32, standard normal, on the CPU."""
        z = torch.empty(self.maps, rows.stop - rows.start, cols.stop - cols.start)
        for top in range(rows.start // BLOCK * BLOCK, rows.stop, BLOCK):
            for left in range(cols.start // BLOCK * BLOCK, cols.stop, BLOCK):
                into_rows, from_rows = _overlap(rows, top)
                into_cols, from_cols = _overlap(cols, left)
                z[:, into_rows, into_cols] = self._block(top // BLOCK, left // BLOCK)[:, from_rows, from_cols]
        return z

    def _block(self, row: int, col: int) -> Tensor:
        seeds = np.random.SeedSequence(self.seed, spawn_key=(self.sample, row, col))
        drawn = np.random.default_rng(seeds).standard_normal((self.maps, BLOCK, BLOCK), dtype=np.float32)
        return torch.from_numpy(drawn)


def _overlap(wanted: slice, start: int) -> tuple[slice, slice]:
    """Intersect a span with the block from `start` on: slices within the span, and within the block."""
    first, last = max(wanted.start, start), min(wanted.stop, start + BLOCK)
    return slice(first - wanted.start, last - wanted.start), slice(first - start, last - start)
