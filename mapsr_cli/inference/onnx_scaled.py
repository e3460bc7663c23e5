"""A model at another scale than its own, as a module that has an ONNX form: its estimate, reduced and projected.

`operators.resized_axis` computes the rows of A in whole numbers, on the CPU, for one size. A graph has to do it for
whatever size comes: it weighs every HR pixel of an axis, also beyond the ends, by its distance from every LR pixel, and
folds what lies beyond back.
"""

from fractions import Fraction

import torch
from torch import Tensor, nn

from mapsr_cli.errors import UsageError
from mapsr_cli.inference.onnx_modules import dense, newton_steps, reflected, solve_gram
from mapsr_cli.inference.sizes import LEAST_FACTOR
from mapsr_cli.networks import Estimator
from mapsr_cli.operators import Kernel, ResizingKernel, downsampling, kernel_between
from mapsr_cli.zoo import Model

AROUND = 2
"""Radius of the bicubic kernel, in LR pixels."""


class Reduction(nn.Module):
    """A between any two lengths of the axes, by the bicubic kernel, each as a dense matrix."""

    def __init__(self, steps: int) -> None:
        """Keep `steps`, the number of Newton steps to (AAᵀ)⁻¹."""
        super().__init__()
        self.steps = steps

    def down(self, y: Tensor, height: int, width: int) -> Tensor:
        """Apply A: [N, C, H, W] → [N, C, height, width]."""
        rows, cols = self.axis(y.shape[-2], height, y.device), self.axis(y.shape[-1], width, y.device)
        return rows.to(y.dtype) @ y @ cols.to(y.dtype).T

    def project(self, f: Tensor, x: Tensor) -> Tensor:
        """Compute Π f = f + A⁺(x − A f), eqn (7), f [N, C, H, W], x [N, C, h, w]."""
        rows, cols = (self.axis(f.shape[dim], x.shape[dim], f.device) for dim in (-2, -1))
        residual = x - rows.to(f.dtype) @ f @ cols.to(f.dtype).T
        up, across = (solve_gram(a, self.steps).to(f.dtype) for a in (rows, cols))
        return f + up @ residual @ across.T

    def axis(self, hr: int, lr: int, device: torch.device) -> Tensor:
        """Make A along an axis: [lr, hr] float64, as `operators.resized_axis` has it."""
        beyond = AROUND * hr // lr + 2
        at = torch.arange(-beyond, hr + beyond, device=device)
        centre = (2 * torch.arange(lr, device=device) + 1) * hr - lr  # 2·lr times c
        t = ((2 * lr * at - centre[:, None]).double() / (2 * hr)).abs()
        near, far = 1.5 * t**3 - 2.5 * t**2 + 1, -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
        weights = torch.where(t <= 1, near, torch.where(t < 2, far, torch.zeros_like(t)))
        weights = weights / weights.sum(1, keepdim=True)
        shown = reflected(at, hr).expand(lr, -1)
        return weights.new_zeros(lr, hr).scatter_add(1, shown, weights)


class ScaledEstimator(nn.Module):
    """x [N, 3, h, w] in [0, 1] → ŷ at `scale` times the size: the model's estimate, reduced, then Π f, eqn (7).

    By the operators, or (`graph`) by operations that ONNX has.
    """

    def __init__(self, model: Model, scale: float, graph: bool = False) -> None:
        """Raise UsageError for a kernel that is not bicubic, or a scale that is not below the model's own."""
        super().__init__()
        kernel = model.kernel
        if kernel.name != "bicubic" or not LEAST_FACTOR <= scale < kernel.scale:
            raise UsageError(
                f"{model.card.name} ({kernel.factor}, {kernel.name}) has no graph at ×{scale:g}",
                f"a bicubic model, and a scale of {LEAST_FACTOR:g} or more below its own, {kernel.factor}",
            )
        self.kernel: Kernel = kernel
        self.graph = graph
        self.ratio = Fraction(scale).limit_denominator(1000)
        constraint = dense(model.constraint) if graph else model.constraint
        self.estimator = Estimator(model.network, constraint)
        probe = ResizingKernel("bicubic", (64, 64), (self.length(64), self.length(64)))
        self.axes = Reduction(newton_steps(downsampling(probe, probe.large).condition))

    @property
    def noise_dim(self) -> int:
        """Noise maps that the network takes; 0: it is deterministic."""
        return self.estimator.noise_dim

    def length(self, n: int) -> int:
        """Compute the HR pixels of an axis of n LR pixels: the nearest whole number, halves up."""
        p, q = self.ratio.numerator, self.ratio.denominator
        return (2 * p * n + q) // (2 * q)

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """Estimate ŷ [N, 3, H, W]."""
        y = self.estimator(x, z)
        height, width = self.length(x.shape[-2]), self.length(x.shape[-1])
        if self.graph:
            return self.axes.project(self.axes.down(y, height, width), x)
        large = y.shape[-2], y.shape[-1]
        reduced = downsampling(ResizingKernel("bicubic", (height, width), large), large, y.dtype, y.device).down(y)
        kernel = kernel_between(self.kernel, (x.shape[-2], x.shape[-1]), (height, width))
        return downsampling(kernel, (height, width), x.dtype, x.device).project(reduced, x)
