"""Long banded matrices whose rows repeat, applied along an image axis at a cost linear in pixels.

Away from the borders every operator here (A, Aᵀ, (AAᵀ)⁻¹ along one axis) is a strided convolution: one block of rows,
shifted. Near the two borders its rows differ. So a matrix of any size is three small dense blocks:

    head   the first rows, borders included
    core   a block of interior rows, read again and again at a fixed step
    tail   the last rows, borders included

Products with the core are batched matrix products on overlapping views of the image: no copy, no unfolding.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mapsr_cli.operators.precision import exact_products, is_exact

DenseMatrix = NDArray[np.float64]

BLOCK = 8
"""Row periods in one core block: enough for matrix products to be efficient, few enough to waste little on zeros."""


class Matrix(ABC):
    """A banded [rows, cols] matrix along an image axis, in blocks of rows."""

    rows: int
    cols: int

    @property
    @abstractmethod
    def like(self) -> Tensor:
        """A tensor of the weights' dtype and device."""

    @property
    @abstractmethod
    def starts(self) -> list[int]:
        """Rows at which a block begins."""

    @property
    @abstractmethod
    def least(self) -> int:
        """Rows that a band should have, at least, so that its neighbours' inputs reach no further than its own."""

    @abstractmethod
    def matmul(self, x: Tensor, base: Tensor | None = None, out: Tensor | None = None) -> Tensor:
        """Compute M x (+ base) over the second-to-last axis: [..., cols, W] → [..., rows, W]. No autograd: see AxisMap.

        Written into `out` if there is one, which may be `base` itself.
        """

    @abstractmethod
    def band(self, rows: slice) -> "Band":
        """Return the fewest of the matrix's own blocks that give `rows`."""

    def to_dense(self) -> Tensor:
        """Return the matrix itself, [rows, cols]."""
        return self.matmul(torch.eye(self.cols, dtype=self.like.dtype, device=self.like.device))


@dataclass(frozen=True, eq=False)
class Band:
    """Some rows of a banded matrix."""

    matrix: Matrix
    reads: slice
    """The columns it reads, i.e. rows of its input."""
    gives: slice
    """The rows it gives: at least those that were asked for."""

    def cut(self, x: Tensor, wanted: slice) -> Tensor:
        """Return the `wanted` rows of what it gave."""
        return x[..., wanted.start - self.gives.start : wanted.stop - self.gives.start, :]


@dataclass(frozen=True, eq=False)
class Banded(Matrix):
    """One [rows, cols] matrix in head–core–tail form. `blocks` may be 0: then `head` (and `tail`) hold every row."""

    rows: int
    cols: int
    head: Tensor  # [head rows, leading columns]
    core: Tensor  # [P, W]
    tail: Tensor  # [tail rows, trailing columns]
    offset: int
    """First column that core block 0 reads."""
    step: int
    """Columns from one core block to the next."""
    blocks: int
    """Repetitions of the core."""

    def matmul(self, x: Tensor, base: Tensor | None = None, out: Tensor | None = None) -> Tensor:
        """Compute M x (+ base), see `Matrix`."""
        if self.blocks == 0:
            y = torch.matmul(self.head, x)
            y = y if base is None else y.add_(base)
            return y if out is None else out.copy_(y)
        lead, width = x.shape[:-2], x.shape[-1]
        planes = x.reshape(-1, self.cols, width)
        bases = [None] * len(planes) if base is None else base.reshape(-1, self.rows, width).unbind()
        out = x.new_empty(*lead, self.rows, width) if out is None else out
        targets = out.view(-1, self.rows, width).unbind()
        for plane, target, onto in zip(planes.unbind(), targets, bases, strict=True):
            self._plane(plane, target, onto)
        return out

    def _plane(self, x: Tensor, out: Tensor, base: Tensor | None) -> None:
        """Apply M to one plane [cols, W], into `out` [rows, W]."""
        window, width = self.core.shape[1], x.shape[1]
        sizes = [len(self.head), self.blocks * len(self.core), len(self.tail)]
        span = (self.blocks - 1) * self.step + window
        overlapping = x.narrow(0, self.offset, span).unfold(0, window, self.step)  # [blocks, W, window]
        inputs = (
            x.narrow(0, 0, self.head.shape[1]).unsqueeze(0),
            overlapping.transpose(-1, -2),
            x.narrow(0, self.cols - self.tail.shape[1], self.tail.shape[1]).unsqueeze(0),
        )
        blocks = (self.head.unsqueeze(0), self.core.expand(self.blocks, -1, -1), self.tail.unsqueeze(0))
        for block, part, read, target in zip(blocks, _split(base, sizes), inputs, torch.split(out, sizes), strict=True):
            product = target.view(len(block), block.shape[1], width)
            if part is None:
                torch.bmm(block, read, out=product)
            else:
                torch.baddbmm(part.reshape(product.shape), block, read, out=product)

    @property
    def like(self) -> Tensor:
        """A tensor of the weights' dtype and device."""
        return self.head

    @property
    def starts(self) -> list[int]:
        """Rows at which a block begins."""
        return [0, *range(len(self.head), self.rows - len(self.tail), max(len(self.core), 1))] if self.blocks else [0]

    @property
    def least(self) -> int:
        """Two heads and two blocks."""
        return 2 * (len(self.head) + len(self.core))

    def band(self, rows: slice) -> Band:
        """Return the fewest of the matrix's own blocks that give `rows`."""
        if self.blocks == 0:
            return Band(self, slice(0, self.cols), slice(0, self.rows))
        height, head, tail = len(self.core), len(self.head), self.rows - len(self.tail)
        top, bottom = rows.start < head, rows.stop > tail
        first = 0 if top else min((rows.start - head) // height, self.blocks - 1)
        last = self.blocks if bottom else max(-(-(rows.stop - head) // height), first + 1)
        left, right = self.offset + first * self.step, self.offset + (last - 1) * self.step + self.core.shape[1]
        start = 0 if top else left
        stop = max(right, self.head.shape[1]) if top else right
        if bottom:
            start, stop = min(start, self.cols - self.tail.shape[1]), self.cols
        gives = slice(0 if top else head + first * height, self.rows if bottom else head + last * height)
        matrix = replace(
            self,
            rows=gives.stop - gives.start,
            cols=stop - start,
            head=self.head if top else self.head[:0, :0],
            tail=self.tail if bottom else self.tail[:0, :0],
            offset=left - start,
            blocks=last - first,
        )
        return Band(matrix, slice(start, stop), gives)


def _split(base: Tensor | None, sizes: list[int]) -> Sequence[Tensor | None]:
    return [None] * len(sizes) if base is None else torch.split(base, sizes)


class _Apply(torch.autograd.Function):
    """y = M x + base, whose gradient is Mᵀ: the adjoint is known, so autograd need not find it (eqns 24–25)."""

    generate_vmap_rule = True

    @staticmethod
    def forward(matrix: "AxisMap", x: Tensor, base: Tensor | None) -> Tensor:
        return matrix.forward.matmul(x, base)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple["AxisMap", Tensor, Tensor | None], output: Tensor) -> None:
        ctx.matrix = inputs[0]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[None, Tensor, Tensor | None]:
        return None, ctx.matrix.T(grads[0]), grads[0] if ctx.needs_input_grad[2] else None


@dataclass(frozen=True, eq=False)
class AxisMap:
    """A banded matrix together with its exact adjoint, differentiable."""

    forward: Matrix
    adjoint: Matrix

    @property
    def T(self) -> "AxisMap":  # noqa: N802 (the field's name, as in numpy and torch)
        """The adjoint."""
        return AxisMap(self.adjoint, self.forward)

    def __call__(self, x: Tensor, base: Tensor | None = None) -> Tensor:
        """Apply M (and add base) along the second-to-last axis: [..., cols, W] → [..., rows, W]."""
        if is_exact(x.device):
            return cast(Tensor, _Apply.apply(self, x, base))  # type: ignore[no-untyped-call]
        with exact_products(x.device):  # the promise does not survive bf16 or TF32
            return cast(Tensor, _Apply.apply(self, x, base))  # type: ignore[no-untyped-call]


@dataclass(frozen=True)
class AxisSample:
    """A short dense instance of a matrix whose rule repeats: each `up` rows advance `per` columns."""

    matrix: DenseMatrix
    up: int
    per: int
    edge: int
    """Row periods at each end that feel a border."""

    @property
    def transposed(self) -> "AxisSample":
        """The adjoint's sample."""
        return AxisSample(self.matrix.T, self.per, self.up, self.edge)

    @staticmethod
    def periods_needed(edge: int) -> int:
        """Return how many row periods a sample needs, so that head, one core block and the longest tail fit in it."""
        return 2 * edge + 2 * BLOCK


def extend(sample: AxisSample, periods: int, dtype: torch.dtype, device: torch.device) -> Banded:
    """Continue a sample by `periods` more row periods, as a Banded.

    The sample must have `AxisSample.periods_needed` periods, or, for `periods` = 0, may be any whole matrix.
    """
    small, up, per = sample.matrix, sample.up, sample.per
    rows, cols = small.shape[0] + periods * up, small.shape[1] + periods * per

    def tensor(block: DenseMatrix) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(block)).to(device, dtype)

    if periods == 0:
        return Banded(rows, cols, tensor(small), tensor(small[:0]), tensor(small[:0]), 0, 1, 0)
    head_rows, block_rows = sample.edge * up, BLOCK * up
    blocks = (rows - 2 * head_rows) // block_rows
    tail_rows = rows - head_rows - blocks * block_rows
    head, tail = small[:head_rows], small[small.shape[0] - tail_rows :]
    core = small[head_rows : head_rows + block_rows]
    used = np.flatnonzero(core.any(axis=0))
    first, last = int(used[0]), int(used[-1]) + 1
    head_cols = int(np.flatnonzero(head.any(axis=0))[-1]) + 1
    tail_from = int(np.flatnonzero(tail.any(axis=0))[0])
    return Banded(
        rows=rows,
        cols=cols,
        head=tensor(head[:, :head_cols]),
        core=tensor(core[:, first:last]),
        tail=tensor(tail[:, tail_from:]),
        offset=first,
        step=BLOCK * per,
        blocks=blocks,
    )


def axis_map(sample: AxisSample, periods: int, dtype: torch.dtype, device: torch.device) -> AxisMap:
    """Extend a sample and its adjoint."""
    return AxisMap(extend(sample, periods, dtype, device), extend(sample.transposed, periods, dtype, device))
