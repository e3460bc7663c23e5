"""From a kernel to A."""

import torch

from mapsr_cli.errors import UsageError
from mapsr_cli.operators.base import Downsampling
from mapsr_cli.operators.convolved import convolved_downsampling
from mapsr_cli.operators.kernels import Kernel, SeparableKernel
from mapsr_cli.operators.psf import Psf
from mapsr_cli.operators.separable import separable_downsampling


def downsampling(
    kernel: Kernel,
    hr_size: tuple[int, int],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    ridge: float = 0.0,
) -> Downsampling:
    """A for HR images of `hr_size` = (H, W), both ≥ 1. Cached per axis length or size: a second call costs nothing.

    `ridge` > 0 asks for the regularised (AAᵀ + ridge·I)⁻¹: then A Π(f) = x holds only approximately.
    Raises KernelError where AAᵀ is near-singular.
    """
    if min(hr_size) < 1:
        raise UsageError(f"an image of {hr_size[1]}×{hr_size[0]} pixels has nothing to downsample")
    if ridge < 0:
        raise UsageError(f"ridge must not be negative, not {ridge}")
    device = torch.device(device)
    if isinstance(kernel, SeparableKernel):
        return separable_downsampling(kernel, hr_size, dtype, device, ridge)
    assert isinstance(kernel, Psf)
    return convolved_downsampling(kernel, hr_size, dtype, device, ridge)
