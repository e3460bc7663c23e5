"""Measure the receptive field of a network that does not state it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MOST = 64
"""LR pixels on each side: a wider halo would cost more than the tile in it."""
TOLERANCE = 1e-4
"""What a tile may differ from the whole image, on a 0 … 1 scale: a fortieth of a level of 8 bits."""
_ROOM = 16
"""LR pixels in the middle of a strip that depend on neither of its ends."""


@dataclass(frozen=True)
class Probe:
    """A network f from [1, colours, h, w] to [1, colours, s·h, s·w], measured on narrow strips."""

    network: Callable[[Tensor], Tensor]
    scale: int
    """s."""
    height: int
    """Of a strip in LR pixels: the least that the network takes."""
    period: int
    """LR pixels by whose multiples f is equivariant to translation: more than 1 where it downscales inside."""
    colours: int = 3
    """Image channels."""

    def radius(self) -> int | None:
        """Measure how many LR pixels on each side an output pixel depends on.

        None where that is more than MOST, or where it depends on the place, as it does with windows of attention and
        means over the whole image: no halo then makes tiles equal to the whole.
        """
        along = self._radius(upright=False)
        across = None if along is None else self._radius(upright=True)  # some networks take seconds a pass
        return None if along is None or across is None else max(along, across)

    def _radius(self, upright: bool) -> int | None:
        """Measure it along horizontal strips, or vertical ones (`upright`)."""
        sides = self._sides(0, upright)
        if sides is None or sides != self._sides(1, upright):
            return None
        radius = max(*sides, 0) + self.period - 1  # of the pixel of a period that is farthest from its edge
        return radius if self._is_equivariant(radius, upright) else None

    def _sides(self, moved: int, upright: bool) -> tuple[int, int] | None:
        """Measure how far to the left and right a column (of a period) of NaN makes other columns NaN.

        A sum with NaN is NaN, whatever the weight: this finds every dependence, which a small change would not.
        """
        width = self._multiple(2 * MOST + 2 + 2 * self.period)
        first = self._multiple(width // 2) - (1 - moved) * self.period
        x = torch.full((1, self.colours, self.height, width), 0.5)
        x[..., first : first + self.period] = torch.nan
        columns = self._run(x, upright).isnan().any(dim=2).any(dim=1).nonzero()[:, -1] // self.scale
        if len(columns) == 0 or columns[0] == 0 or columns[-1] == width - 1:
            return None
        return first - int(columns[0]), int(columns[-1]) - (first + self.period - 1)

    def _is_equivariant(self, radius: int, upright: bool) -> bool:
        """Compare a piece of a strip with the whole, beyond `radius` from where it was cut."""
        start = 3 * self.period
        width = self._multiple(start + 2 * radius + _ROOM) + 1  # tiles end anywhere
        x = torch.rand(1, self.colours, self.height, width + self.period, generator=torch.Generator().manual_seed(0))
        inner = slice(self.scale * radius, self.scale * (width - start - radius))
        whole = self._run(x, upright)[..., self.scale * start :][..., inner]
        part = self._run(x[..., start:width], upright)[..., inner]
        return bool((whole - part).abs().max() <= TOLERANCE)

    def _run(self, x: Tensor, upright: bool) -> Tensor:
        y = self.network((x.mT if upright else x).contiguous(memory_format=torch.channels_last))
        return y.mT if upright else y

    def _multiple(self, length: int) -> int:
        """Round up to whole periods."""
        return -(-length // self.period) * self.period
