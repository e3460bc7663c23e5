"""A⁺ as a convolution, found in two ways: by stochastic gradient descent, as the paper does, and by least squares.

Of all B with AB = I, the one of smallest norm is nearest to the Moore–Penrose A⁺: B − A⁺ then has its columns in A's
null space, to which those of A⁺ are perpendicular, so ‖B‖² = ‖A⁺‖² + ‖B − A⁺‖².
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import cos, isfinite, pi

import torch
from torch import Tensor

from mapsr_cli.errors import KernelError, UsageError
from mapsr_cli.operators.conv_pinv import ConvPinv
from mapsr_cli.operators.kernels import Kernel
from mapsr_cli.operators.pinv_loss import PinvLoss
from mapsr_cli.operators.polyphase import polyphase

MOST_TAPS = 15
"""LR pixels a side: (AAᵀ)⁻¹ has decayed to 1e-9 within 13 for the paper's kernel."""
FREQUENCIES = 64
"""LR frequencies a side at which AAᵀ's largest eigenvalue is sought."""

FitProgress = Callable[[int, int], None]
"""Called with (steps done, steps)."""


@dataclass(frozen=True)
class FitConfig:
    """Settings of the descent."""

    steps: int = 4000
    """Gradient steps."""
    seed: int = 0
    """Seed of the random images."""
    batch: int = 2
    """Images per step."""
    side: int = 16
    """LR pixels a side that are compared."""
    momentum: float = 0.99
    """Momentum of Nesterov's method."""
    alone: float = 0.5
    """Fraction of the steps that see ℓ1 alone."""
    joining: float = 0.1
    """Fraction of the steps over which ℓ2 joins; then the rate falls."""
    largest_step: float = 1e-3
    """Length of a gradient step as a fraction of the kernels' norm, once ℓ2 has a part."""


def solve_pinv(kernel: Kernel, taps: int) -> ConvPinv:
    """Solve for the kernels of least ‖AB − I‖², away from borders, and among those of least norm (float64).

    Where taps × taps kernels can make AB = I, ℓ1 = ℓ2 = 0 and B is the exact inverse nearest to A⁺. Where they cannot,
    this is the linear least-squares optimum. Raises UsageError for a number of taps out of range.
    """
    loss = _loss(kernel, taps)
    solution = torch.linalg.pinv(loss.matrix()) @ loss.identity().flatten()
    return ConvPinv(solution.reshape(-1, taps, taps))


def fit_pinv(
    kernel: Kernel, taps: int, config: FitConfig | None = None, progress: FitProgress | None = None
) -> ConvPinv:
    """Descend on ℓ1 + ℓ2 of eqns (21) to (23), with new normal images at every step (float64).

    From zero, with Nesterov's momentum. Steps see ℓ1 alone at first: it is a convex parabola, and descent from zero
    finds its solution of least norm. ℓ1 + ℓ2 is not convex: where B passes less than half of a spatial frequency back
    through A, ℓ2 falls fastest towards B = 0, and descent on both from the start ends there. Raises UsageError
    for steps or taps out of range, KernelError if the descent diverges.
    """
    config = config or FitConfig()
    if config.steps < 1:
        raise UsageError(f"--steps must be at least 1, not {config.steps}")
    loss = _loss(kernel, taps)
    spectrum = torch.fft.rfft2(loss.a.weights, s=(FREQUENCIES, FREQUENCIES)).abs().square().sum(0)
    curvature = 2 * float(spectrum.max()) ** 2, 2 / kernel.scale**2  # of ℓ1, and of ℓ2 where AB = I
    generator = torch.Generator().manual_seed(config.seed)
    kernels = torch.zeros(kernel.scale**2, taps, taps, dtype=torch.float64)
    velocity = torch.zeros_like(kernels)
    for step in range(config.steps):
        weight, rate = _schedule(step / config.steps, config)
        rate /= curvature[0] + weight * curvature[1]
        downhill = -rate * _gradient(loss, kernels, weight, config, generator)
        length = float(downhill.norm())
        if not isfinite(length):
            raise KernelError(f"the fit of A⁺ to {kernel.describe()} diverged", "--method exact solves for it")
        if weight > 0 and length > (largest := config.largest_step * float(kernels.norm())):
            downhill *= largest / length
        velocity = config.momentum * velocity + downhill
        kernels = kernels + config.momentum * velocity + downhill
        if progress is not None:
            progress(step + 1, config.steps)
    return ConvPinv(kernels)


def _loss(kernel: Kernel, taps: int) -> PinvLoss:
    if not 1 <= taps <= MOST_TAPS:
        raise UsageError(f"--taps must be 1 to {MOST_TAPS}, not {taps}")
    return PinvLoss(polyphase(kernel), taps)


def _schedule(done: float, config: FitConfig) -> tuple[float, float]:
    """Return the weight of ℓ2 and the factor of the rate after a fraction `done` of the descent."""
    both = config.alone + config.joining
    weight = min(max((done - config.alone) / config.joining, 0.0), 1.0)
    return weight, 1.0 if done < both else 0.5 + 0.5 * cos(pi * (done - both) / (1 - both))


def _gradient(loss: PinvLoss, kernels: Tensor, weight: float, config: FitConfig, generator: torch.Generator) -> Tensor:
    at = kernels.detach().requires_grad_()
    value = loss.sampled_l1(at, config.batch, config.side, generator)
    if weight > 0:
        value = value + weight * loss.sampled_l2(at, config.batch, config.side, generator)
    return torch.autograd.grad(value, at)[0]
