"""How well an image, downscaled, agrees with what its original says; of a lossless one, how well it gives it back."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from mapsr_cli.operators.base import Downsampling
from mapsr_cli.operators.levels import to_levels


class Agreement(ABC):
    """How well an image, downscaled, agrees with the evidence of its original. Counts of several images add up."""

    evidence: ClassVar[str]
    """Name of the kind of evidence."""
    name: ClassVar[str]
    """Name of `share`."""
    unit: ClassVar[str]
    """What `share` is a share of."""

    @property
    @abstractmethod
    def holds(self) -> bool:
        """Whether the image agrees everywhere."""

    @property
    @abstractmethod
    def promise(self) -> str:
        """What it does, where it agrees everywhere."""

    @property
    @abstractmethod
    def share(self) -> float:
        """Fraction of what was compared that agrees; 1 of nothing."""

    @property
    @abstractmethod
    def worst(self) -> float:
        """Size of the largest disagreement."""

    @property
    @abstractmethod
    def empty(self) -> bool:
        """Whether nothing was compared."""

    @abstractmethod
    def describe(self) -> str:
        """Say how much is off, and by how much."""

    def notes(self) -> tuple[str, ...]:
        """Return remarks on what no image could agree with."""
        return ()

    @abstractmethod
    def figures(self) -> dict[str, Any]:
        """Return what `--json` prints of it."""

    @abstractmethod
    def __add__(self, other: Self) -> Self: ...


@dataclass(frozen=True)
class Consistency(Agreement):
    """What A y, clipped and rounded, makes of x, in counts of LR samples. Counts of several images add up."""

    evidence: ClassVar[str] = "levels"
    name: ClassVar[str] = "bit_exact"
    unit: ClassVar[str] = "bit-exact"

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
        off = difference[difference != 0].abs()  # as a rule few
        return cls(
            samples=difference.numel(),
            exact=difference.numel() - off.numel(),
            worst_levels=int(off.max()) if off.numel() else 0,
            squared=(off.double() / peak).square().sum().item(),
            allowed=int((off <= reach).sum()),
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
    def promise(self) -> str:
        """Give back every bit, or every sample within what its noise allows."""
        exact = self.bit_exact == 1
        return "gives its original back bit for bit" if exact else "within ±3 σ of every sample of its original"

    @property
    def share(self) -> float:
        """Fraction of LR samples given back bit for bit, as `bit_exact`."""
        return self.bit_exact

    @property
    def worst(self) -> float:
        """Largest difference of any sample, in levels."""
        return self.worst_levels

    @property
    def empty(self) -> bool:
        """Whether no sample was compared."""
        return self.samples == 0

    def figures(self) -> dict[str, Any]:
        """Return what `verify --json` prints of it."""
        names = ("bit_exact", "worst_levels", "mse", "lr_psnr", "holds")
        return {name: getattr(self, name) for name in names}

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
