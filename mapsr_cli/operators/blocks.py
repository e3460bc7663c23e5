"""Banded matrices whose rows need not repeat, applied along an image axis at a cost linear in pixels.

Between two sizes whose ratio is no small fraction, no two rows of A are alike. So the rows go in blocks of a few, and
each block is dense over the columns that it reads. `banded` holds the same for rows that repeat, where one block serves
them all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor

from mapsr_cli.operators.banded import Band, DenseMatrix, Matrix

Local = Callable[[int, int], tuple[DenseMatrix, int]]
"""Gives rows start … stop − 1 of a matrix over the columns that they read: [stop − start, columns], first column."""


@dataclass(frozen=True, eq=False)
class RowBlock:
    """Some rows of a matrix, dense over the columns that they read."""

    rows: slice
    """Rows of the matrix."""
    reads: slice
    """Columns that they read, i.e. rows of the input."""
    weights: Tensor
    """[1, rows, reads]: a batch of one."""


@dataclass(frozen=True, eq=False)
class Blocks(Matrix):
    """One [rows, cols] matrix as blocks of rows, each with weights of its own."""

    rows: int
    cols: int
    parts: tuple[RowBlock, ...]
    """From the first row to the last, without gaps."""

    @property
    def like(self) -> Tensor:
        """A tensor of the weights' dtype and device."""
        return self.parts[0].weights

    @property
    def starts(self) -> list[int]:
        """Rows at which a block begins."""
        return [part.rows.start for part in self.parts]

    @property
    def least(self) -> int:
        """Two blocks."""
        return 2 * self.like.shape[1]

    def matmul(self, x: Tensor, base: Tensor | None = None, out: Tensor | None = None) -> Tensor:
        """Compute M x (+ base), see `Matrix`."""
        lead, width = x.shape[:-2], x.shape[-1]
        out = x.new_empty(*lead, self.rows, width) if out is None else out
        planes, targets = x.reshape(-1, self.cols, width).unbind(), out.view(-1, self.rows, width).unbind()
        bases = [None] * len(planes) if base is None else base.reshape(-1, self.rows, width).unbind()
        for plane, target, onto in zip(planes, targets, bases, strict=True):
            for part in self.parts:
                read, into = _rows(plane, part.reads), _rows(target, part.rows)
                if onto is None:
                    torch.bmm(part.weights, read, out=into)
                else:
                    torch.baddbmm(_rows(onto, part.rows), part.weights, read, out=into)
        return out

    def band(self, rows: slice) -> Band:
        """Return the fewest blocks that give `rows`."""
        parts = [part for part in self.parts if part.rows.stop > rows.start and part.rows.start < rows.stop]
        start, stop = min(part.reads.start for part in parts), max(part.reads.stop for part in parts)
        first = parts[0].rows.start
        moved = tuple(
            RowBlock(
                slice(part.rows.start - first, part.rows.stop - first),
                slice(part.reads.start - start, part.reads.stop - start),
                part.weights,
            )
            for part in parts
        )
        gives = slice(first, parts[-1].rows.stop)
        return Band(Blocks(gives.stop - first, stop - start, moved), slice(start, stop), gives)


def _rows(plane: Tensor, rows: slice) -> Tensor:
    """View rows of a plane [rows, W] as a batch of one, [1, …, W]."""
    return plane.narrow(0, rows.start, rows.stop - rows.start).unsqueeze(0)


def make_blocks(
    local: Local, rows: list[int], cols: list[int], dtype: torch.dtype, device: torch.device
) -> tuple[Blocks, Blocks]:
    """Build a matrix in blocks, and its transpose. `rows` and `cols` are where their blocks begin, then where they end.

    `local` gives the matrix; no block may be empty.
    """
    pieces = [(start, stop, *local(start, stop)) for start, stop in pairwise(rows)]

    def placed(start: int, stop: int, first: int, weights: DenseMatrix) -> RowBlock:
        tensor = torch.from_numpy(np.ascontiguousarray(weights[None])).to(device, dtype)
        return RowBlock(slice(start, stop), slice(first, first + weights.shape[1]), tensor)

    forward = tuple(placed(start, stop, first, weights) for start, stop, weights, first in pieces)
    backward = []
    for start, stop in pairwise(cols):
        touching = [piece for piece in pieces if piece[3] < stop and piece[3] + piece[2].shape[1] > start]
        above, below = touching[0][0], touching[-1][1]
        weights = np.zeros((stop - start, below - above))
        for top, bottom, piece, first in touching:
            left, right = max(first, start), min(first + piece.shape[1], stop)
            weights[left - start : right - start, top - above : bottom - above] = piece[
                :, left - first : right - first
            ].T
        used = np.flatnonzero(weights.any(axis=0))
        backward.append(placed(start, stop, above + int(used[0]), weights[:, used[0] : used[-1] + 1]))
    return Blocks(rows[-1], cols[-1], forward), Blocks(cols[-1], rows[-1], tuple(backward))
