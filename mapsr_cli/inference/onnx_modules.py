"""The projection at any size, in operations that ONNX has.

The projection of `operators` is prepared for one size at a time. A graph has to find A and (AAᵀ)⁻¹ for whatever size
comes: along each axis A is scattered into a dense matrix from its taps' places, and (AAᵀ)⁻¹ follows by Newton–Schulz
iteration, X ← X(2I − GX), which squares the error at each step by products alone.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.errors import UsageError
from mapsr_cli.networks import Affine, AffineConvolution, Constraint
from mapsr_cli.operators import SeparableKernel, downsampling

_NEWTON_ERROR = 1e-14


def reflected(at: Tensor, n: int) -> Tensor:
    """Compute `operators.border.reflected` by operations that ONNX has for an n that it does not know."""
    at = torch.remainder(at, torch.full_like(at, 2 * n))
    return torch.minimum(at, 2 * n - 1 - at)


def newton_steps(condition: float) -> int:
    """Count the steps to (AAᵀ)⁻¹ of AAᵀ with that condition number along an axis, also where it is somewhat worse.

    I/‖G‖∞ is off by at most 1 − 1/κ, with κ ≤ 4 × the condition number; squared k times, by its 2ᵏ-th power.
    """
    return math.ceil(math.log2(-math.log(_NEWTON_ERROR) * 4 * condition))


def solve_gram(a: Tensor, steps: int) -> Tensor:
    """Compute A⁺ = Aᵀ(AAᵀ)⁻¹ of A [n, m] along an axis: [m, n] float64."""
    gram = a @ a.T
    identity = torch.eye(gram.shape[0], dtype=gram.dtype, device=gram.device)
    inverse = identity / gram.abs().sum(1).max()
    for _ in range(steps):
        inverse = inverse @ (2 * identity - gram @ inverse)
    return a.T @ inverse


class DenseAxes(nn.Module):
    """A and A⁺ at any size, each axis as a dense matrix."""

    taps: Tensor
    offsets: Tensor

    def __init__(self, kernel: SeparableKernel) -> None:
        super().__init__()
        self.scale = kernel.scale
        self.register_buffer("taps", torch.tensor(kernel.taps, dtype=torch.float64))
        self.register_buffer("offsets", kernel.first + torch.arange(len(kernel.taps)))
        self.steps = newton_steps(downsampling(kernel, kernel.hr_size((64, 64))).condition)

    def down(self, y: Tensor) -> Tensor:
        """Apply A: [N, C, s·h, s·w] → [N, C, h, w]."""
        rows, cols = (self.axis(length // self.scale).to(y.dtype) for length in y.shape[-2:])
        return rows @ y @ cols.T

    def pinv(self, r: Tensor) -> Tensor:
        """Apply A⁺: [N, C, h, w] → [N, C, s·h, s·w]."""
        rows, cols = (solve_gram(self.axis(n), self.steps).to(r.dtype) for n in r.shape[-2:])
        return rows @ r @ cols.T

    def axis(self, n: int) -> Tensor:
        """Make A along an axis of n LR pixels: [n, s·n] float64, as `operators.axis.dense_a` has it."""
        length = self.scale * n
        at = self.scale * torch.arange(n, device=self.taps.device)[:, None] + self.offsets
        at = reflected(at, length)
        return self.taps.new_zeros(n, length).scatter_add(1, at, self.taps.expand(n, -1))


class DenseAffine(Affine):
    """Π f at any size, eqn (7)."""

    def __init__(self, kernel: SeparableKernel) -> None:
        super().__init__(kernel)
        self.axes = DenseAxes(kernel)

    def down(self, y: Tensor) -> Tensor:
        """Apply A: [N, C, s·h, s·w] → [N, C, h, w]."""
        return self.axes.down(y)

    def pinv(self, r: Tensor, f: Tensor) -> Tensor:
        """Apply A⁺: [N, C, h, w] → [N, C, s·h, s·w]."""
        return self.axes.pinv(r)


class DenseAffineConvolution(AffineConvolution):
    """f + B(x − A f) at any size."""

    def __init__(self, kernel: SeparableKernel, kernels: Tensor) -> None:
        super().__init__(kernel, kernels)
        self.axes = DenseAxes(kernel)

    def down(self, y: Tensor) -> Tensor:
        """Apply A: [N, C, s·h, s·w] → [N, C, h, w]."""
        return self.axes.down(y)

    def pinv(self, r: Tensor, f: Tensor) -> Tensor:
        """Apply B: [N, C, h, w] → [N, C, s·h, s·w]."""
        before, after = (self.kernels.shape[-1] - 1) // 2, self.kernels.shape[-1] // 2
        for dim in (-2, -1):
            n = r.shape[dim]
            r = r.index_select(dim, reflected(torch.arange(-before, n + after, device=r.device), n))
        phases = functional.conv2d(r.flatten(0, 1)[:, None], self.kernels[:, None])
        return functional.pixel_shuffle(phases, int(self.kernel.scale)).view_as(f)


def dense(constraint: Constraint) -> Constraint:
    """Make the same constraint of operations that ONNX has.

    Raises UsageError for a projection by a kernel that is not separable.
    """
    if not constraint.projects:
        return constraint
    kernel = constraint.kernel
    if not isinstance(kernel, SeparableKernel):
        raise UsageError(f"{kernel.describe()} is not separable", "the graph works one axis at a time")
    if isinstance(constraint, AffineConvolution):
        return DenseAffineConvolution(kernel, constraint.kernels)
    return DenseAffine(kernel)
