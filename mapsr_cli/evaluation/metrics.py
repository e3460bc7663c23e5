"""How near two images are, as the field measures it."""

import torch
from torch import Tensor


def luma(y: Tensor) -> Tensor:
    """BT.601 luma, [..., 3, H, W] in [0, 1] → [..., H, W] in [16, 235]/255 (MATLAB's `rgb2ycbcr`)."""
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=y.dtype, device=y.device) / 255
    return torch.einsum("c,...chw->...hw", weights, y) + 16 / 255


def psnr(a: Tensor, b: Tensor) -> float:
    """Peak signal-to-noise ratio in dB of images in [0, 1]; infinite where they are equal."""
    return (-10 * torch.log10((a.double() - b.double()).square().mean())).item()


def psnr_y(a: Tensor, b: Tensor, shave: int) -> float:
    """The super-resolution field's PSNR: luma alone, `shave` pixels cut from each side. [3, H, W] in [0, 1]."""
    inside = (..., slice(shave, -shave), slice(shave, -shave))
    return psnr(luma(a)[inside], luma(b)[inside])
