"""What a training run measures as it goes, on a small folder of HR images."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from mapsr_cli.errors import ImageError
from mapsr_cli.evaluation.metrics import psnr, psnr_y
from mapsr_cli.evaluation.protocol import PEAK, pairs
from mapsr_cli.networks import Density, bits_per_dim
from mapsr_cli.operators import Kernel, downsampling, to_levels
from mapsr_cli.operators.border import reflected

TILES = 4
"""Rows of a sample grid."""


class Validation:
    """A folder of HR images, read once, with their LR twins (8 bits, as files have them)."""

    def __init__(self, folder: Path, kernel: Kernel, patch: tuple[int, int]) -> None:
        """`patch`: HR (H, W) of sample grids, and of what priors see. Raises ImageError if no image is there."""
        self.kernel, self.patch = kernel, patch
        found = pairs(folder, kernel) if folder.is_dir() else ()
        self.pairs = [(pair.lr / PEAK, pair.hr / PEAK) for pair in found]
        if not self.pairs:
            raise ImageError(f"{folder}: no images to validate on", "--valid takes a folder of HR images")

    def measure(self, estimator: nn.Module) -> Mapping[str, float]:
        """Means over images: Y-PSNR of 8-bit estimates in dB, and MSE(x, Aŷ) of unrounded ones."""
        device = next(estimator.parameters()).device
        quality, consistency = [], []
        with torch.inference_mode():
            for lr, hr in self.pairs:
                estimate = estimator(lr[None].to(device))[0].cpu()
                down = downsampling(self.kernel, (hr.shape[-2], hr.shape[-1])).down(estimate)
                consistency.append((down - lr).square().mean().item())
                quality.append(psnr_y(to_levels(estimate * PEAK, PEAK) / PEAK, hr, self.kernel.scale))
        count = len(self.pairs)
        return {"psnr_y": sum(quality) / count, "consistency_mse": sum(consistency) / count}

    def measure_prior(self, prior: nn.Module, level: float) -> Mapping[str, float]:
        """On centre patches: a density model's log₂ p per dimension, or a denoiser's PSNR in dB at σ = `level`."""
        device = next(prior.parameters()).device
        y = torch.stack([hr for _, hr in self.tiles(len(self.pairs))]).to(device)
        with torch.inference_mode():
            if isinstance(prior, Density):
                return {"bits": bits_per_dim(prior(y), y[0].numel()).mean().item()}
            noise = torch.randn(y.shape, generator=torch.Generator().manual_seed(0)).to(device)
            return {"psnr": psnr(prior(y + level * noise, level), y)}

    def tiles(self, count: int = TILES) -> list[tuple[Tensor, Tensor]]:
        """(LR, HR) centre patches of the first `count` images, for a sample grid; smaller images are mirrored."""
        height, width = self.kernel.lr_size(self.kernel.whole_size(self.patch))
        lr_size = max(height, 1), max(width, 1)
        hr_size = self.kernel.hr_size(lr_size)
        return [(_centre(lr, *lr_size), _centre(hr, *hr_size)) for lr, hr in self.pairs[:count]]


def _centre(image: Tensor, height: int, width: int) -> Tensor:
    """[C, height, width] from the middle."""
    rows, columns = (_middle(n, m) for n, m in zip(image.shape[-2:], (height, width), strict=True))
    return image[:, rows][:, :, columns]


def _middle(n: int, wanted: int) -> Tensor:
    """The middle `wanted` pixels of an axis of n; of a shorter one all, and behind them what A's border shows."""
    return reflected(torch.arange(wanted) + max(n - wanted, 0) // 2, n)
