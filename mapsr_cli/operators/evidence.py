"""Evidence: what an original says about A y, as a closed convex set C of LR images.

A float image (training, the paper) says A y = x, a point. A lossless file says round(A y) = x, a cube with a side of
one level. An estimate f becomes consistent with either by the same formula,

    z = P_C(A f),    ŷ = f + A⁺(z − A f),    A ŷ = z ∈ C, because A A⁺ = I,

of which eqn (7) is the case of a point. The round trip looks for an image of whole levels whose A y lies in C.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from mapsr_cli.operators.levels import Place, to_levels

TOLD = 6
"""Numbers that a network is told of an original: see `Evidence.told`."""
TOLD_SIGMA = 10.0
"""Levels of 255: a σ of noise that is told as 1."""
BAND_ROWS = 64
"""LR rows in a band, at least."""


@dataclass(frozen=True, eq=False)
class Evidence(ABC):
    """A closed convex set C = {v : low ≤ L v ≤ high} of LR images v [..., C, h, w], for a linear map L.

    The coordinates L v have the shape of v. For samples L is the identity; it may couple the channels of a pixel and
    the pixels of a block (a unit that has fewer coordinates than samples leaves the rest of them 0 and unbounded, as
    does one that the image's border cuts). Dtype, device and unit are the original's. Everything is differentiable.
    """

    couples_channels: ClassVar[bool] = False
    """Whether L mixes channels. Otherwise each channel is evidence of its own."""

    x: Tensor
    """[..., C, h, w]: the original. Tolerances are relative to it, so that they keep their precision in float32. Whole
    levels may stay in an integer type, in a quarter of the memory; parts of it are then computed in `floating`'s."""

    @property
    def block(self) -> int:
        """LR pixels a side of the blocks within which L mixes pixels, counted from the image's first row and column."""
        return 1

    @abstractmethod
    def nearest(self, ay: Tensor) -> Tensor:
        """Project A y [..., C, h, w] onto C: return z = P_C(A y), of the same shape."""

    @abstractmethod
    def tolerance(self) -> tuple[Tensor, Tensor]:
        """Return (low, high) for L(A y − x), in the shape of x; infinite where there is no limit."""

    @abstractmethod
    def describe(self) -> str:
        """Say in a few words what C is, for messages and reports."""

    def told(self) -> Tensor:
        """Return what a network is told of C, [N, TOLD], or [1, TOLD] of one image; zeros where x is exact or rounded.

        The first four are a fifth of log₂ of a JPEG's mean quantisation step, in levels: of luma's low frequencies
        (u + v < 4) and its high ones, and of chroma's. Then half of log₂ of the pixels per sample of chroma, and σ of
        noise as a share of `TOLD_SIGMA` levels.
        """
        return floating(self.x.new_zeros(len(self.x) if self.x.dim() == 4 else 1, TOLD))

    @abstractmethod
    def shrunk(self, by: float) -> Self:
        """Move every face of C inwards by so many levels: what lies in there stays in C when disturbed by as much."""

    def to(self, device: torch.device | str, dtype: torch.dtype | None = None) -> Self:
        """Return the same evidence with its tensors on a device, floating-point ones in `dtype` if that is given."""
        moved: Self = _moved(self, device, dtype)
        return moved

    def coordinates(self, v: Tensor) -> Tensor:
        """Apply L to an LR image, or a difference of two, [..., C, h, w]; here the identity."""
        return v

    def coordinates_adjoint(self, c: Tensor) -> Tensor:
        """Apply Lᵀ to coordinates [..., C, h, w]; here the identity."""
        return c

    def lift(self, c: Tensor) -> Tensor:
        """Return the least change of an LR image that changes its coordinates by c [..., C, h, w]; here c itself."""
        return c

    def lift_adjoint(self, v: Tensor) -> Tensor:
        """Apply the transpose of `lift` to an LR image [..., C, h, w]; here the identity."""
        return v

    def mended(self, ay: Tensor, spare: float) -> Tensor:
        """Move only those coordinates of A y [..., C, h, w] into C that lie outside, by `spare` levels beyond the face.

        Of what holds nothing changes, and what is to be rounded afterwards has room.
        """
        c, (low, high) = self.coordinates(ay - self.x), self.tolerance()
        inside = torch.clamp(c, *self.shrunk(spare).tolerance())
        return ay + self.lift(torch.where((c < low) | (c > high), inside - c, 0.0))

    def at(self, places: Sequence[Place]) -> Self:
        """Return the evidence about parts of the image [C, h, w], of one size, as a batch [B, C, h, w].

        Each place has (channels, rows, columns), beginning where a block does.
        """
        return replace(self, x=floating(torch.stack([self.x[place] for place in places])))

    def bands(self) -> Iterator[tuple[slice, Self]]:
        """Yield ranges of rows of whole blocks, from top to bottom of the image [C, h, w], and the evidence about each.

        That is a batch of one, as `at` makes it.
        """
        height, rows = self.x.shape[-2], self.block * -(-BAND_ROWS // self.block)
        for top in range(0, height, rows):
            band = slice(top, min(top + rows, height))
            yield band, self.at([(slice(None), band)])

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Return (low, high) for the coordinates of A y itself."""
        low, high = self.tolerance()
        origin = self.coordinates(self.x)
        return origin + low, origin + high

    def violation(self, ay: Tensor) -> Tensor:
        """Measure how far each coordinate of A y [..., C, h, w] lies beyond its bounds: ≥ 0, and 0 inside C."""
        c = self.coordinates(ay - self.x)
        return (c - torch.clamp(c, *self.tolerance())).abs()

    def violated(self, residual: Tensor) -> Tensor:
        """Return whether each coordinate lies beyond its bounds, for residual = A y − x [..., C, h, w]."""
        c, (low, high) = self.coordinates(residual), self.tolerance()
        return (c < low) | (c > high)

    def holds(self, ay: Tensor) -> Tensor:
        """Return, for each coordinate of A y [..., C, h, w], whether the original says the same."""
        return self.violation(ay) == 0


@dataclass(frozen=True, eq=False)
class Point(Evidence):
    """A y = x exactly: the paper's evidence, and training's. x may be in any unit."""

    def nearest(self, ay: Tensor) -> Tensor:
        """Return x for each A y [..., C, h, w]."""
        return self.x.expand_as(ay)

    def tolerance(self) -> tuple[Tensor, Tensor]:
        """Return (0, 0)."""
        zero = torch.zeros_like(self.x)
        return zero, zero

    def describe(self) -> str:
        """Say that it is a point."""
        return "A y = x"

    def shrunk(self, by: float) -> Self:
        """Return itself: a point has no inside."""
        return self


@dataclass(frozen=True, eq=False)
class LevelCube(Evidence):
    """A y, clipped to 0 … peak and rounded to whole levels, is x: the evidence of a file that stores levels losslessly.

    |A y − x| ≤ ½ for each sample of x (whole levels 0 … peak), without a limit below where x = 0 and above where
    x = peak, because saving clips.
    """

    peak: int
    """The largest level: 255 or 65535."""
    margin: float = 0.0
    """Levels by which each face lies further inside than ½."""

    def nearest(self, ay: Tensor) -> Tensor:
        """Clip A y [..., C, h, w], in levels, into the cube."""
        return torch.clamp(ay, *self.bounds())

    def tolerance(self) -> tuple[Tensor, Tensor]:
        """Return ∓(½ − margin); −∞ where x = 0, ∞ where x = peak."""
        x = floating(self.x)
        half = torch.full_like(x, 0.5 - self.margin)
        infinite = torch.full_like(x, torch.inf)
        return torch.where(x <= 0, -infinite, -half), torch.where(x >= self.peak, infinite, half)

    def describe(self) -> str:
        """Say that it is the levels of a file."""
        return f"A y rounds to x, in levels 0 … {self.peak}"

    def shrunk(self, by: float) -> Self:
        """Add to the margin."""
        return replace(self, margin=self.margin + by)

    def holds(self, ay: Tensor) -> Tensor:
        """Return whether each sample of A y [..., C, h, w] is saved as x; halves are rounded to even levels."""
        return to_levels(ay, self.peak) == self.x


def floating(x: Tensor) -> Tensor:
    """Return x in a floating-point type that tells its levels apart: float32 those of 8 bits, float64 those of 16."""
    if x.is_floating_point():
        return x
    return x.to(torch.float32 if x.dtype == torch.uint8 else torch.float64)


def _moved(value: Any, device: torch.device | str, dtype: torch.dtype | None) -> Any:
    """Move every tensor in dataclasses and tuples, as `Evidence.to` does."""
    if isinstance(value, Tensor):
        return value.to(device, dtype if value.is_floating_point() else None, non_blocking=True)
    if isinstance(value, tuple):
        return tuple(_moved(item, device, dtype) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        moved = {field.name: _moved(getattr(value, field.name), device, dtype) for field in fields(value)}
        return replace(value, **moved)
    return value
