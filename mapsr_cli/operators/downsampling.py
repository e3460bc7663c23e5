"""Building A from a kernel."""

import torch

from mapsr_cli.errors import UsageError
from mapsr_cli.operators.base import Downsampling
from mapsr_cli.operators.convolved import convolved_downsampling
from mapsr_cli.operators.kernels import SeparableKernel
from mapsr_cli.operators.psf import Psf
from mapsr_cli.operators.resizing import AnyKernel, ResizingKernel
from mapsr_cli.operators.separable import resizing, separable_downsampling


def downsampling(
    kernel: AnyKernel,
    hr_size: tuple[int, int],
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    ridge: float = 0.0,
) -> Downsampling:
    """Build A for HR images of `hr_size` = (H, W), both ≥ 1. Cached per axis length or size.

    `ridge` > 0 asks for the regularised (AAᵀ + ridge·I)⁻¹: then A Π(f) = x holds only approximately.
    A `ResizingKernel` has one HR size. Raises KernelError where AAᵀ is near-singular, UsageError for a size that the
    kernel does not have.
    """
    if min(hr_size) < 1:
        raise UsageError(f"an image of {hr_size[1]}×{hr_size[0]} pixels has nothing to downsample")
    if ridge < 0:
        raise UsageError(f"ridge must not be negative, not {ridge}")
    device = torch.device(device)
    if isinstance(kernel, SeparableKernel):
        return separable_downsampling(kernel, hr_size, dtype, device, ridge)
    if isinstance(kernel, ResizingKernel):
        kernel.lr_size(hr_size)  # refuses another size
        return resizing(kernel, dtype, device, ridge)
    assert isinstance(kernel, Psf)
    return convolved_downsampling(kernel, hr_size, dtype, device, ridge)
