"""How well an image, downscaled and rounded as a file is, gives its original back."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mapsr_cli.operators.base import Downsampling
from mapsr_cli.operators.levels import to_levels


@dataclass(frozen=True)
class Consistency:
    """What A y, clipped and rounded, makes of x, in counts of LR samples. Counts of several images add up."""

    samples: int = 0
    """LR samples compared."""
    exact: int = 0
    """Those given back bit for bit."""
    worst_levels: int = 0
    """Largest difference of any sample, in levels."""
    squared: float = 0.0
    """Sum of squared differences of the rounded A y from x, on a 0 … 1 scale."""
    allowed: int = 0
    """Those that are off by no more than a noisy original allows."""

    @classmethod
    def of(cls, difference: Tensor, peak: int, reach: float = 0.0) -> "Consistency":
        """Count differences in whole levels 0 … peak, of any shape; up to `reach` levels are allowed."""
        return cls(
            samples=difference.numel(),
            exact=difference.numel() - int(torch.count_nonzero(difference)),
            worst_levels=int(difference.abs().max()) if difference.numel() else 0,
            squared=(difference.double() / peak).square().sum().item(),
            allowed=int(((difference != 0) & (difference.abs() <= reach)).sum()) if reach else 0,
        )

    def __add__(self, other: "Consistency") -> "Consistency":
        return Consistency(
            self.samples + other.samples,
            self.exact + other.exact,
            max(self.worst_levels, other.worst_levels),
            self.squared + other.squared,
            self.allowed + other.allowed,
        )

    @property
    def bit_exact(self) -> float:
        """Fraction of LR samples given back bit for bit; 1 of none."""
        return self.exact / self.samples if self.samples else 1.0

    @property
    def mse(self) -> float:
        """Mean squared difference of the rounded A y from x, on a 0 … 1 scale."""
        return self.squared / max(self.samples, 1)

    @property
    def holds(self) -> bool:
        """Whether every sample is given back, or off by no more than is allowed."""
        return self.exact + self.allowed == self.samples

    @property
    def lr_psnr(self) -> float | None:
        """PSNR of the rounded A y against x in dB; None where they are equal."""
        return None if self.mse == 0 else -10 * torch.log10(torch.tensor(self.mse, dtype=torch.float64)).item()

    def describe(self) -> str:
        """Say how many of the input's samples are off, and by how much."""
        worst = f"{self.worst_levels} level{'' if self.worst_levels == 1 else 's'}"
        return f"{self.samples - self.exact - self.allowed:,} of {self.samples:,} samples off, by {worst} at worst"


def consistency(y: Tensor, x: Tensor, op: Downsampling, peak: int) -> Consistency:
    """Compare A y with x, both in levels 0 … peak: y [C, H, W], x [C, h, w]."""
    return Consistency.of(to_levels(op.down(y), peak) - x, peak)
