"""PSNR and SSIM, as the field of super-resolution measures them."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from mapsr_cli.errors import ImageError, MapsrError, MissingExtraError

SSIM_WINDOW = 11
"""Side of SSIM's Gaussian window (standard deviation 1.5)."""


def luma(y: Tensor) -> Tensor:
    """Compute BT.601 luma, [..., 3, H, W] in [0, 1] → [..., H, W] in [16, 235]/255 (MATLAB's `rgb2ycbcr`)."""
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=y.dtype, device=y.device) / 255
    return torch.einsum("c,...chw->...hw", weights, y) + 16 / 255


def psnr(a: Tensor, b: Tensor) -> float:
    """Compute the peak signal-to-noise ratio in dB of images in [0, 1]; infinite where they are equal."""
    return decibels((a.double() - b.double()).square().mean().item())


def decibels(mse: float) -> float:
    """Convert a mean squared error on a 0 … 1 scale to PSNR in dB; infinite at 0."""
    return (-10 * torch.log10(torch.tensor(mse, dtype=torch.float64))).item()


def mean_psnr(values: Sequence[float]) -> float:
    """Average PSNRs in dB over the images that have a finite one; infinite where none has."""
    finite = [value for value in values if math.isfinite(value)]
    return math.fsum(finite) / len(finite) if finite else math.inf


def require_torchmetrics() -> None:
    """Raise MissingExtraError if torchmetrics is not installed, MapsrError if it cannot be imported."""
    try:
        import torchmetrics  # noqa: F401
    except ImportError as error:
        raise MissingExtraError("SSIM", "eval") from error
    except RuntimeError as error:  # it imports torchvision where there is one, and that fails beside another torch
        cause = str(error).splitlines()[0]
        raise MapsrError(
            f"torchmetrics cannot be imported: {cause}",
            f"is torchvision the one for torch {torch.__version__}? without it, SSIM works",
        ) from error


def ssim(a: Tensor, b: Tensor) -> float:
    """Compute structural similarity of [C, H, W] in [0, 1] (Wang et al., 2004; as MATLAB's first `ssim`).

    Mean over channels and over all positions where the 11×11 window fits: no padded border. Raises ImageError where it
    fits nowhere.
    """
    require_torchmetrics()
    from torchmetrics.functional.image import structural_similarity_index_measure

    if min(a.shape[-2:]) < SSIM_WINDOW:
        raise ImageError(
            f"{a.shape[-1]}×{a.shape[-2]} pixels remain to compare: SSIM needs {SSIM_WINDOW}×{SSIM_WINDOW}"
        )
    # float32: in double, it takes eight times as long, for a difference of 4e-6.
    everywhere = structural_similarity_index_measure(
        a[None].float(), b[None].float(), data_range=1.0, return_full_image=True
    )[1]
    border = SSIM_WINDOW // 2  # its own mean counts windows over a padded border, too
    return everywhere[..., border:-border, border:-border].double().mean().item()
