"""Projecting an estimate, and rounding it, strip by strip: an image need not exist in floating point as a whole."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mapsr_cli.inference.chunks import Chunks
from mapsr_cli.networks import Constraint
from mapsr_cli.operators import Evidence, Levels, Strips

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


def project_in_place(strips: Strips, f: Chunks, constraint: Constraint, evidence: Evidence) -> None:
    """Make ŷ of f where it lies, with the exact A⁺; both in float32, in any unit, and not rounded."""
    residual = constraint.residual(lambda: strips.down_whole(f.read), evidence)
    if residual is not None:
        residual = torch.stack([strips.op.inverse_gram(plane) for plane in residual])
        for part in strips.plan:
            strips.add_adjoint(part, residual, f.read(strips.hr(part)))


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

    `evidence` is what is to be trusted of the original x [C, h, w], in levels; errors are measured against x.
    `ordered`: see `Levels`.
    """
    residual = constraint.residual(lambda: strips.down_whole(lambda rows: f.read(rows).to(x.dtype)), evidence)
    if residual is not None:
        residual = torch.stack([strips.op.inverse_gram(plane) for plane in residual])
    levels = Levels.empty((len(x), *strips.op.hr_size), peak, x.dtype, x.device, ordered)
    y, errors = f if x.dtype == torch.float32 else Chunks([strips.hr(part) for part in strips.plan]), []
    for part, before in zip([*strips.plan, None], [None, *strips.plan], strict=True):
        if part is not None:
            rows = strips.hr(part)
            projected = f.read(rows).to(x.dtype)  # f itself in float32: it becomes y where it lies
            if residual is not None:
                strips.add_adjoint(part, residual, projected)
            levels.write(rows, projected)
            if y is not f:
                y.write(rows, slice(0, projected.shape[-1]), projected.shape[-1], projected)
                f.drop_before(rows.stop)
        if before is not None:  # A reads a little beyond a strip: only now is all of that there
            error = (x[:, before] - strips.down(before, y.read)).double() / peak
            errors.append((error.square().sum().item(), error.abs().max().item()))
            y.drop_before(strips.hr(before).start)
    squared, largest = zip(*errors, strict=True)
    return Projected(levels, sum(squared) / x.numel(), max(largest))


def residual_of(strips: Strips, levels: Levels, x: Tensor) -> Tensor:
    """Compute A of the rounded image, less x: [C, h, w]."""
    return strips.down_whole(levels.rows) - x
