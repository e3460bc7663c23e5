"""The evidence of an original with noise of a known size."""

from dataclasses import dataclass, replace
from typing import Self

import torch
from torch import Tensor

from mapsr_cli.operators.evidence import TOLD_SIGMA, Evidence

NOISE_REACH = 3.0
"""Standard deviations of its noise that a noisy original may lie away from A y."""


@dataclass(frozen=True, eq=False)
class NoiseCube(Evidence):
    """A y lies within three standard deviations of x, sample by sample: the evidence of a noisy original.

    |A y − x| ≤ 3σ, without a limit below where x = 0 and above where x = peak, because saving clips.
    """

    sigma: float
    """σ of the noise, in the unit of x, above 0."""
    peak: float = 255.0
    """The largest value."""
    margin: float = 0.0
    """By how much each face lies further inside, in the unit of x; at most, the cube is its middle."""

    def nearest(self, ay: Tensor) -> Tensor:
        """Clip A y [..., C, h, w] into the cube."""
        return torch.clamp(ay, *self.bounds())

    def tolerance(self) -> tuple[Tensor, Tensor]:
        """Return ∓(3σ − margin); −∞ where x = 0, ∞ where x = peak."""
        reach = torch.full_like(self.x, max(NOISE_REACH * self.sigma - self.margin, 0.0))
        infinite = torch.full_like(self.x, torch.inf)
        return torch.where(self.x <= 0, -infinite, -reach), torch.where(self.x >= self.peak, infinite, reach)

    def describe(self) -> str:
        """Say how far A y may lie from x."""
        return f"A y lies within ±3 σ of x, σ = {self.sigma * 255 / self.peak:.3g} levels of 255"

    def shrunk(self, by: float) -> Self:
        """Add to the margin."""
        return replace(self, margin=self.margin + by)

    def told(self) -> Tensor:
        """Return σ, see `Evidence.told`."""
        told = super().told()
        told[:, 5] = self.sigma * 255 / self.peak / TOLD_SIGMA
        return told
