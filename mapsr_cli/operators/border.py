"""The symmetric (half-sample reflecting) border of every operator."""

from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from numpy.typing import NDArray
from torch import Tensor

Positions = TypeVar("Positions", NDArray[Any], Tensor)


def reflected(at: Positions, n: int) -> Positions:
    """Return the pixel of an axis of length `n` that each position shows, also beyond its ends.

    … 2 1 0 | 0 1 2 … n−1 | n−1 n−2 …, again and again where that reaches further than the axis is long.
    """
    folded = at % (2 * n)
    shown: Positions = folded + (folded >= n) * (2 * n - 1 - 2 * folded)
    return shown


@dataclass(frozen=True, eq=False)
class Border:
    """What an axis shows beyond its ends."""

    before: Tensor
    """Pixels shown ahead of the first."""
    after: Tensor
    """Pixels shown behind the last."""

    def extend(self, x: Tensor, dim: int) -> Tensor:
        """Extend an axis by its reflections: n → before + n + after."""
        return torch.cat([x.index_select(dim, self.before), x, x.index_select(dim, self.after)], dim)

    def fold(self, extended: Tensor, dim: int) -> Tensor:
        """Apply the adjoint of `extend`: add what lies beyond the ends to the pixels that it shows."""
        before, after = len(self.before), len(self.after)
        n = extended.shape[dim] - before - after
        x = extended.narrow(dim, before, n).index_add(dim, self.before, extended.narrow(dim, 0, before))
        return x.index_add_(dim, self.after, extended.narrow(dim, before + n, after))


def make_border(n: int, before: int, after: int, device: torch.device) -> Border:
    """Build the symmetric border of an axis of length `n`: `before` and `after` pixels wide."""
    ahead, behind = torch.arange(-before, 0, device=device), torch.arange(n, n + after, device=device)
    return Border(reflected(ahead, n), reflected(behind, n))
