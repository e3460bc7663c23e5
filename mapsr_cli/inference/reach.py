"""How far a network sees, found by looking: for those that do not say."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

MOST = 64
"""LR pixels on each side: a wider halo would cost more than the tile in it."""
TOLERANCE = 1e-4
"""What a tile may differ from the whole image, on a 0 … 1 scale: a fortieth of a level of 8 bits."""
_ROOM = 16
"""LR pixels of a strip that neither of its ends may reach."""


@dataclass(frozen=True)
class Probe:
    """A network f from [1, 3, h, w] to [1, 3, s·h, s·w], looked at on strips."""

    network: Callable[[Tensor], Tensor]
    scale: int
    """s."""
    height: int
    """Of a strip in LR pixels: the least that the network takes."""
    period: int
    """Its answer moves with the image by multiples of so many LR pixels: where it downscales inside, it is not 1."""

    def reach(self) -> int | None:
        """LR pixels on each side that an output pixel depends on.

        None where that is more than MOST, or where it depends on the place, as it does with windows of attention and
        means over the whole image: no halo then makes tiles equal to the whole.
        """
        along = self._reach(upright=False)
        across = None if along is None else self._reach(upright=True)  # some networks take seconds a look
        return None if along is None or across is None else max(along, across)

    def _reach(self, upright: bool) -> int | None:
        """The same for strips that lie, or that stand."""
        touched = self._touched(0, upright)
        if touched is None or touched != self._touched(1, upright):
            return None
        reach = max(*touched, 0) + self.period - 1  # of the pixel of a period that has the farthest to go
        return reach if self._moves_along(reach, upright) else None

    def _touched(self, moved: int, upright: bool) -> tuple[int, int] | None:
        """How far to the left and right a column (of a period) that is not a number makes others so.

        A sum with it is none either, whatever the weight: this sees every dependence, which a small change would not.
        """
        width = self._multiple(2 * MOST + 2 + 2 * self.period)
        first = self._multiple(width // 2) - (1 - moved) * self.period
        x = torch.full((1, 3, self.height, width), 0.5)
        x[..., first : first + self.period] = torch.nan
        columns = self._run(x, upright).isnan().any(dim=2).any(dim=1).nonzero()[:, -1] // self.scale
        if len(columns) == 0 or columns[0] == 0 or columns[-1] == width - 1:
            return None
        return first - int(columns[0]), int(columns[-1]) - (first + self.period - 1)

    def _moves_along(self, reach: int, upright: bool) -> bool:
        """Whether a piece cut out of a strip gives what the whole does, `reach` from where it was cut."""
        start = 3 * self.period
        width = self._multiple(start + 2 * reach + _ROOM) + 1  # tiles end anywhere
        x = torch.rand(1, 3, self.height, width + self.period, generator=torch.Generator().manual_seed(0))
        inner = slice(self.scale * reach, self.scale * (width - start - reach))
        whole = self._run(x, upright)[..., self.scale * start :][..., inner]
        part = self._run(x[..., start:width], upright)[..., inner]
        return bool((whole - part).abs().max() <= TOLERANCE)

    def _run(self, x: Tensor, upright: bool) -> Tensor:
        y = self.network((x.mT if upright else x).contiguous(memory_format=torch.channels_last))
        return y.mT if upright else y

    def _multiple(self, length: int) -> int:
        """Rounded up to whole periods."""
        return -(-length // self.period) * self.period
