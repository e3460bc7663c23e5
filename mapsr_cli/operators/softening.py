"""A regularised A⁺ for noisy LR images: A A⁺_ρ x, the part of x that is to be trusted.

Let x = A y + n, and along one axis let our best guess without looking at fine detail be plain interpolation,
m = Aᵀx / λ, with λ = 1/s the gain of AAᵀ for flat areas. A ridge ρ on the residual x − A m gives the estimate

    A⁺_ρ x = m + Aᵀ(AAᵀ + ρI)⁻¹(x − A m) = (1 + ρ/λ) Aᵀ(AAᵀ + ρI)⁻¹ x,

the posterior mean where ρ is the noise's variance over that of the detail that m lacks. A⁺ divides the finest LR
detail, and the noise in it, by AAᵀ's smallest eigenvalue (bicubic ×4: half of λ along each axis); A⁺_ρ does not. With

    A A⁺_ρ = (1 + ρ/λ)(I − ρ(AAᵀ + ρI)⁻¹)

along both axes, projecting onto {y : A y = x̃} for x̃ = A A⁺_ρ x is projecting with A⁺_ρ in place of A⁺: what A does
not see of f stays as it is. Nothing is blended and f is not blurred.
"""

import torch
from torch import Tensor

from mapsr_cli.errors import UsageError
from mapsr_cli.operators.axis import make_axis
from mapsr_cli.operators.kernels import SeparableKernel
from mapsr_cli.operators.psf import Psf
from mapsr_cli.operators.resized_axis import make_resized_axis
from mapsr_cli.operators.resizing import AnyKernel, ResizingKernel

LEAST = 1e-3
"""Lower strengths differ by less than a thousandth from an infinite ridge."""


def check_strength(strength: float, kernel: AnyKernel) -> None:
    """Raise UsageError for a strength outside 0 … 1, and below 1 for a kernel that is not separable."""
    if not 0 <= strength <= 1:
        raise UsageError(f"strength must be from 0 to 1, not {strength:g}")
    if strength < 1 and not isinstance(kernel, SeparableKernel | ResizingKernel):
        raise UsageError(f"{kernel.describe()} is not separable: its inverse takes no ridge", "leave out --strength")


def soften(x: Tensor, kernel: AnyKernel, strength: float) -> Tensor:
    """Compute x̃ = A A⁺_ρ x for LR images x [..., h, w], any unit; float64.

    `strength` = λ/(λ + ρ) in 0 … 1 is the share of a flat residual that the ridge takes off along an axis; 1 is x
    itself, 0 plain interpolation's A m. Flat areas keep their level at any strength. Raises as `check_strength` does.
    """
    check_strength(strength, kernel)
    x = x.double()
    if strength == 1 or isinstance(kernel, Psf):  # which takes no strength but 1
        return x
    strength = max(strength, LEAST)
    hr_size = kernel.hr_size((x.shape[-2], x.shape[-1]))
    for axis in (0, 1):
        x = _along_rows(x, kernel, hr_size, axis, (1 - strength) / strength).transpose(-1, -2)
    return x.contiguous()


def _along_rows(x: Tensor, kernel: AnyKernel, hr_size: tuple[int, int], axis: int, damping: float) -> Tensor:
    """Apply the softening along one axis, which is that of x's rows; `damping` is ρ/λ."""
    length = hr_size[axis]
    ridge = damping * x.shape[-2] / length  # λ is 1/s
    if isinstance(kernel, ResizingKernel):
        inverse = make_resized_axis(kernel.profile, length, x.shape[-2], torch.float64, x.device, ridge).inverse_gram
    else:
        assert isinstance(kernel, SeparableKernel)
        inverse = make_axis(kernel, length, torch.float64, x.device, ridge).inverse_gram
    flat = x.new_ones(x.shape[-2], 1)
    gain = flat - ridge * inverse(flat)  # λ/(λ + ρ), but for ripples of the kernel and its border
    return (x - ridge * inverse(x)) / gain
