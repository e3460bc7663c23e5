"""A and Aᵀ over an image a strip of rows at a time, bit for bit what they are over the whole.

A large image then never has to exist in floating point as a whole. A strip is computed from the same blocks of the same
banded matrices as the whole image is, so not even the order of a sum differs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mapsr_cli.operators.banded import Banded
from mapsr_cli.operators.base import Downsampling
from mapsr_cli.operators.convolved import STRIP_BYTES, ConvolvedDownsampling
from mapsr_cli.operators.precision import exact_products
from mapsr_cli.operators.separable import SeparableDownsampling

LEAST_ROWS = 32
"""LR rows in a strip, at least: matrix libraries may sum products of a few columns in another order."""

Fetch = Callable[[slice], Tensor]
"""Gives HR rows [C, rows, W] in the operator's dtype."""


@dataclass(frozen=True, eq=False)
class Band:
    """Some rows of a banded matrix."""

    matrix: Banded
    reads: slice
    """The columns it reads, i.e. rows of its input."""
    gives: slice
    """The rows it gives: at least those that were asked for."""

    def cut(self, x: Tensor, wanted: slice) -> Tensor:
        """The `wanted` rows of what it gave."""
        return x[..., wanted.start - self.gives.start : wanted.stop - self.gives.start, :]


def band(whole: Banded, rows: slice) -> Band:
    """The fewest of a matrix's own blocks that give `rows`."""
    if whole.blocks == 0:
        return Band(whole, slice(0, whole.cols), slice(0, whole.rows))
    height, head, tail = len(whole.core), len(whole.head), whole.rows - len(whole.tail)
    top, bottom = rows.start < head, rows.stop > tail
    first = 0 if top else min((rows.start - head) // height, whole.blocks - 1)
    last = whole.blocks if bottom else max(-(-(rows.stop - head) // height), first + 1)
    left, right = whole.offset + first * whole.step, whole.offset + (last - 1) * whole.step + whole.core.shape[1]
    start = 0 if top else left
    stop = max(right, whole.head.shape[1]) if top else right
    if bottom:
        start, stop = min(start, whole.cols - whole.tail.shape[1]), whole.cols
    gives = slice(0 if top else head + first * height, whole.rows if bottom else head + last * height)
    matrix = replace(
        whole,
        rows=gives.stop - gives.start,
        cols=stop - start,
        head=whole.head if top else whole.head[:0, :0],
        tail=whole.tail if bottom else whole.tail[:0, :0],
        offset=left - start,
        blocks=last - first,
    )
    return Band(matrix, slice(start, stop), gives)


class Strips(ABC):
    """One operator, strip by strip. No autograd."""

    op: Downsampling
    plan: list[slice]
    """LR rows of each strip; A reads no further than into the strips beside it."""
    dtype: torch.dtype
    """Of what it computes in."""
    device: torch.device
    """Where it computes."""

    def hr(self, part: slice) -> slice:
        """The HR rows of LR rows."""
        return self.op.hr(part)

    @abstractmethod
    def down(self, part: slice, fetch: Fetch) -> Tensor:
        """LR rows `part` of A y: [C, rows, w]. `fetch` is asked once, for the HR rows of y that they need."""

    @abstractmethod
    def add_adjoint(self, part: slice, r: Tensor, onto: Tensor) -> None:
        """Add the HR rows of LR rows `part` of Aᵀ r to `onto` [C, rows, W], for r [C, h, w]."""

    def down_whole(self, fetch: Fetch) -> Tensor:
        """A y [C, h, w], where y as a whole exists only as `fetch` has it."""
        return torch.cat([self.down(part, fetch) for part in self.plan], dim=-2)


def make_strips(op: Downsampling, size: int = STRIP_BYTES) -> Strips:
    """Strips of about `size` bytes a plane."""
    if isinstance(op, SeparableDownsampling):
        return SeparableStrips(op, size)
    assert isinstance(op, ConvolvedDownsampling)
    return ConvolvedStrips(op, size)


class ConvolvedStrips(Strips):
    """Through convolutions of some rows."""

    def __init__(self, op: ConvolvedDownsampling, size: int = STRIP_BYTES) -> None:
        self._op = self.op = op
        self.dtype, self.device, self.plan = op.dtype, op.device, op.plan(size)

    def down(self, part: slice, fetch: Fetch) -> Tensor:
        """LR rows `part` of A y: [C, rows, w]. `fetch` is asked once, for the HR rows of y that they need."""
        with exact_products(self.device):
            return self._op.down_rows(part, fetch(self.hr(self._op.reads(part))))

    def add_adjoint(self, part: slice, r: Tensor, onto: Tensor) -> None:
        """Add the HR rows of LR rows `part` of Aᵀ r to `onto` [C, rows, W], for r [C, h, w]."""
        with exact_products(self.device):
            onto.add_(self._op.adjoint_rows(part, r))


class SeparableStrips(Strips):
    """Through the axes' banded matrices."""

    def __init__(self, op: SeparableDownsampling, size: int = STRIP_BYTES) -> None:
        self.op = op
        self._rows, self._cols = op._rows.down, op._cols.down
        self.dtype, self.device = self._rows.forward.head.dtype, self._rows.forward.head.device
        height, width = op.lr_size
        head, block = len(self._rows.forward.head), max(len(self._rows.forward.core), 1)
        least = max(LEAST_ROWS, 2 * (head + block))
        count = max(size // (op.kernel.scale**2 * width * self.dtype.itemsize), least)
        count = -(-count // block) * block
        # Strips begin where blocks do, so that no block is computed for two of them.
        starts = [0, *range(head + count, height - least + 1, count)] if self._rows.forward.blocks else [0]
        self.plan = [slice(a, b) for a, b in zip(starts, [*starts[1:], height], strict=True)]

    def down(self, part: slice, fetch: Fetch) -> Tensor:
        """LR rows `part` of A y: [C, rows, w]. `fetch` is asked once, for the HR rows of y that they need."""
        rows = band(self._rows.forward, part)
        shrunk = rows.cut(rows.matrix.matmul(fetch(rows.reads)), part)
        return _transposed(self._cols.forward.matmul(_transposed(shrunk))).contiguous()

    def add_adjoint(self, part: slice, r: Tensor, onto: Tensor) -> None:
        """Add the HR rows of LR rows `part` of Aᵀ r to `onto` [C, rows, W], for r [C, h, w]."""
        rows = band(self._rows.adjoint, self.hr(part))
        grown = _transposed(self._cols.adjoint.matmul(_transposed(r[:, rows.reads])))
        for plane, target in zip(grown.unbind(), onto.unbind(), strict=True):
            rows.matrix.matmul(plane, target, out=target)


def _transposed(x: Tensor) -> Tensor:
    return x.transpose(-1, -2)
