"""Π f and its rounding, strip by strip: an image need not exist in floating point as a whole."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mapsr_cli.inference.chunks import Chunks
from mapsr_cli.operators import Levels, Strips

CHUNK = 64 << 20
"""Bytes of the estimate that are given back at once: from 32 MB on, glibc returns memory to the system."""


@dataclass(frozen=True, eq=False)
class Projected:
    """Π f, rounded, and how well it held before that."""

    levels: Levels
    """[C, s·h, s·w]."""
    mse_float: float
    """Mean of (x − A Π f)² over LR samples, on a 0 … 1 scale."""
    max_abs_float: float
    """Largest |x − A Π f|, on a 0 … 1 scale."""


def chunks_for(strips: Strips, colours: int) -> Chunks:
    """What an estimate is to be written into, so that `project` can give it up bit by bit."""
    row = 4 * colours * strips.op.hr_size[1]
    rows: list[slice] = []
    for part in map(strips.hr, strips.plan):
        if rows and (rows[-1].stop - rows[-1].start) * row < CHUNK:
            rows[-1] = slice(rows[-1].start, part.stop)
        else:
            rows.append(part)
    return Chunks(rows)


def project(
    strips: Strips,
    f: Chunks,
    target: Tensor,
    x: Tensor,
    peak: int,
    constrained: bool = True,
    residual: bool = True,
) -> Projected:
    """Π f (eqn (7)) onto {y : A y = target}, for f and target [C, h, w] in levels; uses f up.

    The target is x, or what of x is to be trusted; errors are told against x. Without the constraint, f + A⁺ target
    where the network was trained to add to that (`residual`), and f itself where it was not.
    """
    if constrained:
        correction = target - strips.down_whole(lambda rows: f.read(rows).to(x.dtype))
    else:
        correction = target.clone() if residual else torch.zeros_like(target)
    for plane in correction:
        plane.copy_(strips.op.inverse_gram(plane))
    levels = Levels.empty((len(x), *strips.op.hr_size), peak, x.dtype, x.device)
    y, errors = f if x.dtype == torch.float32 else Chunks([strips.hr(part) for part in strips.plan]), []
    for part, before in zip([*strips.plan, None], [None, *strips.plan], strict=True):
        if part is not None:
            rows = strips.hr(part)
            projected = f.read(rows).to(x.dtype)  # f itself in float32: it becomes y where it lies
            strips.add_adjoint(part, correction, projected)
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
    """A of the rounded image, less x: [C, h, w]."""
    return strips.down_whole(levels.rows) - x
