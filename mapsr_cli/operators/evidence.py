"""Evidence: what an original says about A y, as a closed convex set C of LR images.

A float image (training, the paper) says A y = x, a point. A lossless file says round(A y) = x, a cube with a side of
one level. An estimate f becomes consistent with either by the same formula,

    z = P_C(A f),    ŷ = f + A⁺(z − A f),    A ŷ = z ∈ C, because A A⁺ = I,

of which eqn (7) is the case of a point.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Evidence(ABC):
    """A closed convex set C of LR images [..., C, h, w], given as low ≤ L v ≤ high for a linear map L.

    L may couple the channels of a pixel and the pixels of a block; for samples it is the identity. Dtype, device and
    unit are those of the original; every method is differentiable.
    """

    @abstractmethod
    def nearest(self, ay: Tensor) -> Tensor:
        """Project A y [..., C, h, w] onto C: the nearest point z = P_C(A y), of the same shape."""

    @abstractmethod
    def coordinates(self, ay: Tensor) -> Tensor:
        """Apply L: the coordinates of A y [..., C, h, w] that `bounds` limits."""

    @abstractmethod
    def bounds(self) -> tuple[Tensor, Tensor]:
        """Return (low, high) for the coordinates, broadcastable to them; infinite where there is no limit."""

    @abstractmethod
    def describe(self) -> str:
        """Say in a few words what C is, for messages and reports."""

    def violation(self, ay: Tensor) -> Tensor:
        """Measure how far each coordinate of A y lies beyond its bounds: ≥ 0, in the coordinates' unit, 0 inside C."""
        coordinates = self.coordinates(ay)
        return (coordinates - torch.clamp(coordinates, *self.bounds())).abs()


@dataclass(frozen=True, eq=False)
class Point(Evidence):
    """A y = x exactly: the paper's evidence, and training's."""

    x: Tensor
    """[..., C, h, w], any unit."""

    def nearest(self, ay: Tensor) -> Tensor:
        """Return x for each A y [..., C, h, w]."""
        return self.x.expand_as(ay)

    def coordinates(self, ay: Tensor) -> Tensor:
        """Return A y itself."""
        return ay

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Return (x, x)."""
        return self.x, self.x

    def describe(self) -> str:
        """Say that it is a point."""
        return "A y = x"


@dataclass(frozen=True, eq=False)
class LevelCube(Evidence):
    """A y, clipped to 0 … peak and rounded to whole levels, is x: the evidence of a file that stores levels losslessly.

    |A y − x| ≤ ½ for each sample, without a limit below where x = 0 and above where x = peak, because saving clips.
    """

    x: Tensor
    """[..., C, h, w], whole levels 0 … peak."""
    peak: int
    """The largest level: 255 or 65535."""
    margin: float = 0.0
    """Levels by which each face is moved inwards, below ½: then another implementation of A rounds alike, too."""

    def nearest(self, ay: Tensor) -> Tensor:
        """Clip A y [..., C, h, w], in levels, into the cube."""
        return torch.clamp(ay, *self.bounds())

    def coordinates(self, ay: Tensor) -> Tensor:
        """Return A y itself."""
        return ay

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Return (x − ½, x + ½), drawn in by `margin`; −∞ where x = 0, ∞ where x = peak."""
        half = 0.5 - self.margin
        low = torch.where(self.x <= 0, -torch.inf, self.x - half)
        return low, torch.where(self.x >= self.peak, torch.inf, self.x + half)

    def describe(self) -> str:
        """Say that it is the levels of a file."""
        return f"A y rounds to x, in levels 0 … {self.peak}"
