"""One axis of A, and of (AAᵀ)⁻¹, at any length.

A = A_h ⊗ A_w is separable, so A⁺ = A_h⁺ ⊗ A_w⁺ exactly, borders included, and along one axis
A⁺ = Aᵀ(AAᵀ)⁻¹. AAᵀ is banded, symmetric and positive definite; the rows of its inverse decay geometrically, so the
inverse is a short filter plus a border correction as well.
"""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch

from mapsr_cli.errors import KernelError
from mapsr_cli.operators.banded import AxisMap, AxisSample, DenseMatrix, axis_map
from mapsr_cli.operators.border import reflected
from mapsr_cli.operators.kernels import Kernel, SeparableKernel

CONDITION_LIMIT = 3000.0
"""Largest condition number of AAᵀ along an axis for which float32 still keeps A Π(f) = x to display precision."""
WHOLE = 64
"""LR lengths up to this are applied as one dense block: nothing is shorter."""


@dataclass(frozen=True, eq=False)
class Axis:
    """A and (AAᵀ)⁻¹ along one axis of a given HR length."""

    kernel: SeparableKernel
    length: int
    """HR pixels."""
    ridge: float
    condition: float
    """Condition number of AAᵀ + ridge·I."""
    down: AxisMap
    """A: HR length → LR length."""

    @cached_property
    def inverse_gram(self) -> AxisMap:
        """(AAᵀ + ridge·I)⁻¹: LR length → LR length. Built at first use."""
        like = self.down.forward.like
        m, tolerance = lr_length(self.length, self.kernel.scale), max(torch.finfo(like.dtype).eps * 1e-2, 1e-16)
        inverse, edge = _inverse_gram_sample(self.kernel, self.length, self.ridge, tolerance)
        return axis_map(AxisSample(inverse, 1, 1, edge), m - inverse.shape[0], like.dtype, like.device)


def lr_length(n: int, scale: int) -> int:
    """Return the LR pixels of `n` HR pixels: ⌈n / scale⌉, as MATLAB's `imresize` has it."""
    return -(-n // scale)


def dense_a(kernel: SeparableKernel, n: int) -> DenseMatrix:
    """Build A along one axis as a dense [⌈n/scale⌉, n] matrix."""
    m = lr_length(n, kernel.scale)
    at = np.add.outer(kernel.scale * np.arange(m) + kernel.first, np.arange(len(kernel.taps)))
    a = np.zeros((m, n))
    np.add.at(a, (np.arange(m)[:, None], reflected(at, n)), kernel.taps)
    return a


def _gram(kernel: SeparableKernel, n: int, ridge: float) -> DenseMatrix:
    return gram_of(dense_a(kernel, n), ridge)


def gram_of(a: DenseMatrix, ridge: float) -> DenseMatrix:
    """Compute AAᵀ + ridge·I.

    By torch, as is the inverse: the last bits depend on the number of threads, and that of numpy's BLAS is not ours to
    set.
    """
    rows = torch.from_numpy(a)
    gram: DenseMatrix = (rows @ rows.mT).numpy()
    return gram + ridge * np.eye(len(a))


def inverse_of(gram: DenseMatrix) -> DenseMatrix:
    """Invert AAᵀ + ridge·I."""
    inverse: DenseMatrix = torch.linalg.inv(torch.from_numpy(gram)).numpy()
    return inverse


def condition_number(gram: DenseMatrix) -> float:
    """Divide a symmetric matrix's largest eigenvalue by its smallest; infinite if that is not positive."""
    values = np.linalg.eigvalsh(gram)
    return float(values[-1] / values[0]) if values[0] > 0 else float("inf")


def refuse_singular(kernel: Kernel, condition: float, limit: float, ridge: float) -> None:
    """Raise KernelError if AAᵀ (+ ridge·I) has a condition number above `limit`."""
    if condition > limit:
        asked = f" even with ridge {ridge:g}" if ridge else ""
        raise KernelError(
            f"kernel {kernel.describe()} is near-singular{asked}: A Aᵀ has condition number {condition:.3g} "
            f"(limit {limit:g})",
            "take a narrower kernel or a larger scale, or ask for a regularised inverse (ridge > 0), "
            "which no longer keeps the original exactly",
        )


def _inverse(gram: DenseMatrix) -> DenseMatrix:
    inverse = inverse_of(gram)
    return (inverse + inverse.T) / 2


def _inverse_gram_sample(kernel: SeparableKernel, n: int, ridge: float, tolerance: float) -> tuple[DenseMatrix, int]:
    """Invert AAᵀ of the shortest axis that shows all of (AAᵀ)⁻¹; return it and how far its rows extend (LR pixels).

    Entries below `tolerance` of the peak are dropped.

    Doubles the length until an interior row has decayed on both sides, or the sample is the whole axis.
    """
    m, short = lr_length(n, kernel.scale), 2 * WHOLE
    while short < m:
        inverse = _inverse(_gram(kernel, n - kernel.scale * (m - short), ridge))
        row = np.abs(inverse[short // 2])
        far = np.flatnonzero(row > tolerance * row.max())
        decay = int(max(short // 2 - far[0], far[-1] - short // 2))
        edge = decay + kernel.border_width  # the border's own rows of AAᵀ, and as far as their inverse carries them
        if AxisSample.periods_needed(edge) <= short:
            inverse[np.abs(inverse) <= tolerance * row.max()] = 0.0
            return inverse, edge
        short *= 2
    return _inverse(_gram(kernel, n, ridge)), 0


@lru_cache(maxsize=256)
def make_axis(kernel: SeparableKernel, n: int, dtype: torch.dtype, device: torch.device, ridge: float = 0.0) -> Axis:
    """Build A and (AAᵀ + ridge·I)⁻¹ along an axis of `n` ≥ 1 HR pixels.

    Set-up works in float64 on short instances, so its cost does not grow with `n`. Raises KernelError where AAᵀ is
    near-singular.
    """
    s, m, edge = kernel.scale, lr_length(n, kernel.scale), kernel.border_width
    condition = condition_number(_gram(kernel, n - s * max(m - WHOLE, 0), ridge))
    refuse_singular(kernel, condition, CONDITION_LIMIT, ridge)
    more = 0 if m <= WHOLE else max(m - AxisSample.periods_needed(edge), 0)
    down = axis_map(AxisSample(dense_a(kernel, n - s * more), 1, s, edge), more, dtype, device)
    return Axis(kernel, n, ridge, condition, down)
