"""Blocks of a JPEG whose cells no picture in 0 … peak satisfies: proofs.

An encoder may store colours that lie outside of RGB: of saturated ones at quality 95, a quarter. For a block and those
around it, u, we minimise ½ dist(L_u A y, C_u)² over 0 ≤ y ≤ peak (L_u and C_u: their coordinates and cells). With e the
vector from C_u to L_u A y, no picture satisfies all of u if the plane with normal e separates the two sets,

    min {⟨e, L_u A y⟩ : 0 ≤ y ≤ peak}  >  max {⟨e, c⟩ : c ∈ C_u}.

Both sides are sums over pixels and coordinates. Any e that passes is a proof, however it was found. A block alone is
hardly ever infeasible: pixels beside it, which A weighs negatively, can make it darker than black.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.operators.banded import DenseMatrix
from mapsr_cli.operators.border import reflected
from mapsr_cli.operators.jpeg_cells import JpegCells
from mapsr_cli.operators.kernels import SeparableKernel
from mapsr_cli.operators.resized_axis import axis_rows
from mapsr_cli.operators.resizing import AnyKernel, ResizingKernel

PASSES, CHECKED = 200, 20
"""Passes of the accelerated gradient for a block, and after how many a proof is tried."""
MOST = 128
"""Neighbourhoods that are tried at most; the blocks of any others count as feasible."""
NEAR = 1e-3
"""Levels from its cells at which a block counts as feasible."""


def infeasible_blocks(cells: JpegCells, wrong: Tensor, kernel: AnyKernel, peak: int) -> Tensor:
    """Return which coordinates [C, h, w] belong to infeasible blocks, of those with `wrong` coordinates.

    A block is a square of `cells.block` LR pixels with all its planes. It is infeasible if no HR image in 0 … peak
    satisfies it and the eight around it. Only what is proven counts. Of measured kernels nothing is tried.
    """
    found, side = torch.zeros_like(wrong), cells.block
    if not isinstance(kernel, SeparableKernel | ResizingKernel):
        return found
    height, width = wrong.shape[1:]
    off = functional.max_pool2d(wrong.any(0)[None].float(), side, side, ceil_mode=True)[0] > 0
    proven, tried = torch.zeros_like(off), 0
    for row, col in off.nonzero().tolist():
        if proven[row, col] or tried == MOST:
            continue
        tried += 1
        near = tuple(slice(max(at - 1, 0), at + 2) for at in (row, col))
        down, across = (
            slice(part.start * side, min(part.stop * side, length))
            for part, length in zip(near, (height, width), strict=True)
        )
        if _is_infeasible(cells, down, across, kernel, peak):
            proven[near] |= off[near]
    for row, col in proven.nonzero().tolist():
        found[:, row * side : (row + 1) * side, col * side : (col + 1) * side] = True
    return found


def _is_infeasible(
    cells: JpegCells, down: slice, across: slice, kernel: SeparableKernel | ResizingKernel, peak: int
) -> bool:
    """Look for a proof about the blocks of these rows and columns."""
    part = cells.at([(slice(None), down, across)])
    low, high = (bound[0].cpu().double() for bound in part.bounds())
    height, width = cells.x.shape[-2:]
    rows, cols = (torch.from_numpy(_rows(kernel, *at)) for at in ((0, down, height), (1, across, width)))

    def image(y: Tensor) -> Tensor:
        return part.coordinates(rows @ y @ cols.mT)

    def adjoint(c: Tensor) -> Tensor:
        return rows.mT @ part.coordinates_adjoint(c) @ cols

    step = 1 / _norm(rows, cols, part)
    y = functional.interpolate(part.x.cpu().double(), (rows.shape[1], cols.shape[1])).clamp(0, peak)[0]
    ahead, t = y, 1.0
    for passed in range(1, PASSES + 1):
        c = image(ahead)
        e = c - torch.clamp(c, low, high)
        gradient = adjoint(e)
        if passed % CHECKED == 0:
            if e.abs().max() < NEAR:
                return False
            limit = torch.where(e > 0, high, low)[e != 0]
            if peak * gradient.clamp_max(0).sum() > (e[e != 0] * limit).sum():
                return True
        moved = (ahead - step * gradient).clamp_(0, peak)
        if ((ahead - moved) * (moved - y)).sum() > 0:  # the momentum overshoots
            t = 1.0
        grown = (1 + (1 + 4 * t * t) ** 0.5) / 2
        ahead, y, t = moved + (t - 1) / grown * (moved - y), moved, grown
    return False


def _norm(rows: Tensor, cols: Tensor, part: JpegCells) -> float:
    """Bound the largest eigenvalue of L A Aᵀ Lᵀ: of a mean and an orthonormal DCT, colours alone count."""
    largest = [float(torch.linalg.matrix_norm(axis, 2)) ** 2 for axis in (rows, cols)]
    return largest[0] * largest[1] * part.tables.largest(part.x.shape[-3])


def _rows(kernel: SeparableKernel | ResizingKernel, axis: int, part: slice, length: int) -> DenseMatrix:
    """Return rows `part` of A along an axis of `length` LR pixels, over the HR pixels that they read."""
    if isinstance(kernel, ResizingKernel):
        return axis_rows(kernel.profile, kernel.large[axis], kernel.small[axis]).dense(part.start, part.stop)[0]
    taps, n = np.array(kernel.taps), part.stop - part.start
    reads = np.add.outer(kernel.scale * np.arange(part.start, part.stop) + kernel.first, np.arange(len(taps)))
    at = reflected(reads, kernel.scale * length)
    a = np.zeros((n, int(at.max()) + 1 - int(at.min())))
    np.add.at(a, (np.arange(n)[:, None], at - at.min()), taps)
    return a
