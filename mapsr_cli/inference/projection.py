"""Projecting an estimate, and rounding it, strip by strip: an image need not exist in floating point as a whole."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

import torch
from torch import Tensor

from mapsr_cli.inference.chunks import Chunks
from mapsr_cli.networks import Constraint
from mapsr_cli.operators import Downsampling, Evidence, Fetch, Levels, Strips

CHUNK = 64 << 20
"""Bytes of the estimate that are released at once: from 32 MB on, glibc returns memory to the system."""


@dataclass(frozen=True, eq=False)
class Projected:
    """ŷ, rounded, and how far A ŷ was from x before that."""

    levels: Levels
    """[C, s·h, s·w]."""
    mse_float: float
    """Mean of (x − A ŷ)² over LR samples, on a 0 … 1 scale."""
    max_abs_float: float
    """Largest |x − A ŷ|, on a 0 … 1 scale."""


def chunks_for(strips: Strips, colours: int) -> Chunks:
    """Make what an estimate is to be written into, so that `project` can release it chunk by chunk."""
    row = 4 * colours * strips.op.hr_size[1]
    rows: list[slice] = []
    for part in map(strips.hr, strips.plan):
        if rows and (rows[-1].stop - rows[-1].start) * row < CHUNK:
            rows[-1] = slice(rows[-1].start, part.stop)
        else:
            rows.append(part)
    return Chunks(rows)


def correction(
    constraint: Constraint, evidence: Evidence, op: Downsampling, seen: Callable[[], Tensor]
) -> Tensor | None:
    """Compute u = (AAᵀ)⁻¹ r [C, h, w], such that the constraint makes f + Aᵀ u of f; None where that is f.

    `seen` gives A f [C, h, w], in the dtype of `op`, whose memory u takes: at a low ratio an original is large, too.
    """
    u: Tensor | None = None
    for band, said in evidence.bands():
        part = constraint.residual(partial(_rows, seen, band), said)
        if part is None:
            return None
        if u is None:
            u = seen()
        u[:, band] = part[0]
    if u is not None:
        op.invert_gram(u)
    return u


def _rows(seen: Callable[[], Tensor], band: slice) -> Tensor:
    """Return a band of A f as a batch of one."""
    return seen()[None, :, band]


def correction_of(fetch: Fetch, strips: Strips, constraint: Constraint, evidence: Evidence) -> Tensor | None:
    """Compute what `correction` does, of an f whose rows are fetched."""
    return correction(constraint, evidence, strips.op, cache(lambda: strips.down_whole(fetch)))


def project_in_place(strips: Strips, f: Chunks, constraint: Constraint, evidence: Evidence) -> None:
    """Make ŷ of f where it lies, with the exact A⁺; both in float32, in any unit, and not rounded."""
    u = correction_of(f.read, strips, constraint, evidence)
    if u is not None:
        for part in strips.plan:
            strips.add_adjoint(part, u, f.read(strips.hr(part)))


def project(
    strips: Strips,
    f: Chunks,
    constraint: Constraint,
    evidence: Evidence,
    x: Tensor,
    peak: int,
    ordered: bool = False,
) -> Projected:
    """Compute what the constraint makes of f, with the exact A⁺, in levels; uses f up.

    `evidence` is what is to be trusted of the original x [C, h, w], in levels of any type; errors are measured against
    x. Everything is computed in the strips' dtype. `ordered`: see `Levels`.
    """
    dtype = strips.dtype
    u = correction_of(lambda rows: f.read(rows).to(dtype), strips, constraint, evidence)
    levels = Levels.empty((len(x), *strips.op.hr_size), peak, dtype, x.device, ordered)
    y, errors = f if dtype == torch.float32 else Chunks([strips.hr(part) for part in strips.plan]), []
    for part, before in zip([*strips.plan, None], [None, *strips.plan], strict=True):
        if part is not None:
            rows = strips.hr(part)
            projected = f.read(rows).to(dtype)  # f itself in float32: it becomes y where it lies
            if u is not None:
                strips.add_adjoint(part, u, projected)
            levels.write(rows, projected)
            if y is not f:
                y.write(rows, slice(0, projected.shape[-1]), projected.shape[-1], projected)
                f.drop_before(rows.stop)
        if before is not None:  # A reads a little beyond a strip: only now is all of that there
            error = (x[:, before].to(dtype) - strips.down(before, y.read)).double() / peak
            errors.append((error.square().sum().item(), error.abs().max().item()))
            y.drop_before(strips.hr(before).start)
    squared, largest = zip(*errors, strict=True)
    return Projected(levels, sum(squared) / x.numel(), max(largest))


def residual_of(strips: Strips, levels: Levels, x: Tensor) -> Tensor:
    """Compute A of the rounded image, less x: [C, h, w]."""
    residual = strips.down_whole(levels.rows)
    for part in strips.plan:
        residual[:, part] -= x[:, part].to(residual.dtype)
    return residual
