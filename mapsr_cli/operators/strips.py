"""A and Aᵀ over an image a strip of rows at a time, bit for bit what they are over the whole.

A large image then never has to exist in floating point as a whole. A strip is computed from the same blocks of the same
banded matrices as the whole image is, so not even the order of a sum differs.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from itertools import pairwise

import torch
from torch import Tensor

from mapsr_cli.operators.base import Downsampling
from mapsr_cli.operators.convolved import STRIP_BYTES, ConvolvedDownsampling
from mapsr_cli.operators.precision import exact_products
from mapsr_cli.operators.separable import SeparableDownsampling

LEAST_ROWS = 32
"""LR rows in a strip, at least: matrix libraries may sum products of a few columns in another order."""

Fetch = Callable[[slice], Tensor]
"""Called with a range of HR rows; returns them [C, rows, W] in the operator's dtype."""


class Strips(ABC):
    """One operator, strip by strip. No autograd."""

    op: Downsampling
    plan: list[slice]
    """LR rows of each strip; A reads no further than into the strips beside it."""
    dtype: torch.dtype
    """The dtype that it computes in."""
    device: torch.device
    """The device that it computes on."""

    def hr(self, part: slice) -> slice:
        """Return the HR rows of a range of LR rows."""
        return self.op.hr(part)

    @abstractmethod
    def reads(self, part: slice) -> slice:
        """Return the HR rows that `down` fetches for LR rows `part`."""

    @abstractmethod
    def down(self, part: slice, fetch: Fetch) -> Tensor:
        """Compute LR rows `part` of A y: [C, rows, w]. `fetch` is called once, for the HR rows of y that they need."""

    @abstractmethod
    def add_adjoint(self, part: slice, r: Tensor, onto: Tensor) -> None:
        """Add the HR rows of LR rows `part` of Aᵀ r to `onto` [C, rows, W], for r [C, h, w]."""

    def down_whole(self, fetch: Fetch) -> Tensor:
        """Compute A y [C, h, w], for a y that only `fetch` gives."""
        first = self.down(self.plan[0], fetch)
        whole = first.new_empty(len(first), *self.op.lr_size)
        whole[:, self.plan[0]] = first
        for part in self.plan[1:]:
            whole[:, part] = self.down(part, fetch)
        return whole


def make_strips(op: Downsampling, size: int = STRIP_BYTES) -> Strips:
    """Divide an operator into strips of about `size` bytes a plane."""
    if isinstance(op, SeparableDownsampling):
        return SeparableStrips(op, size)
    assert isinstance(op, ConvolvedDownsampling)
    return ConvolvedStrips(op, size)


class ConvolvedStrips(Strips):
    """Strips by convolutions of some rows."""

    def __init__(self, op: ConvolvedDownsampling, size: int = STRIP_BYTES) -> None:
        self._op = self.op = op
        self.dtype, self.device, self.plan = op.dtype, op.device, op.plan(size)

    def reads(self, part: slice) -> slice:
        """Return the HR rows that `down` fetches for LR rows `part`."""
        return self.hr(self._op.reads(part))

    def down(self, part: slice, fetch: Fetch) -> Tensor:
        """Compute LR rows `part` of A y: [C, rows, w]. `fetch` is called once, for the HR rows of y that they need."""
        with exact_products(self.device):
            return self._op.down_rows(part, fetch(self.reads(part)))

    def add_adjoint(self, part: slice, r: Tensor, onto: Tensor) -> None:
        """Add the HR rows of LR rows `part` of Aᵀ r to `onto` [C, rows, W], for r [C, h, w]."""
        with exact_products(self.device):
            onto.add_(self._op.adjoint_rows(part, r))


class SeparableStrips(Strips):
    """Strips by the axes' banded matrices."""

    def __init__(self, op: SeparableDownsampling, size: int = STRIP_BYTES) -> None:
        self.op = op
        self._rows, self._cols = op._rows.down, op._cols.down
        self.dtype, self.device = self._rows.forward.like.dtype, self._rows.forward.like.device
        height = op.lr_size[0]
        least = max(LEAST_ROWS, self._rows.forward.least)
        count = max(size * height // (op.hr_size[0] * op.hr_size[1] * self.dtype.itemsize), least)
        starts = [0]
        for start in self._rows.forward.starts:  # so that no block is computed for two strips
            if start - starts[-1] >= count and height - start >= least:
                starts.append(start)
        self.plan = [slice(a, b) for a, b in pairwise([*starts, height])]

    def reads(self, part: slice) -> slice:
        """Return the HR rows that `down` fetches for LR rows `part`."""
        return self._rows.forward.band(part).reads

    def down(self, part: slice, fetch: Fetch) -> Tensor:
        """Compute LR rows `part` of A y: [C, rows, w]. `fetch` is called once, for the HR rows of y that they need."""
        rows = self._rows.forward.band(part)
        shrunk = rows.cut(rows.matrix.matmul(fetch(rows.reads)), part)
        return _transposed(self._cols.forward.matmul(_transposed(shrunk))).contiguous()

    def add_adjoint(self, part: slice, r: Tensor, onto: Tensor) -> None:
        """Add the HR rows of LR rows `part` of Aᵀ r to `onto` [C, rows, W], for r [C, h, w]."""
        rows = self._rows.adjoint.band(self.hr(part))
        grown = _transposed(self._cols.adjoint.matmul(_transposed(r[:, rows.reads])))
        for plane, target in zip(grown.unbind(), onto.unbind(), strict=True):
            rows.matrix.matmul(plane, target, out=target)


def _transposed(x: Tensor) -> Tensor:
    return x.transpose(-1, -2)
