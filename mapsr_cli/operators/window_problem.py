"""What windows are asked: how much work they get, the problem, and the answer. `window_solver` has the mathematics."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor

from mapsr_cli.operators.window_map import WindowCoordinates

WITHIN = (1, 2, 3)
"""A window's dimensions in [B, C, h, w]."""


@dataclass(frozen=True)
class Effort:
    """How much work a window gets."""

    window: int
    """Side of a window in LR pixels."""
    passes: int
    """Dual passes."""
    slack: float
    """Half-width in levels of what the ascent aims at, of a cube of ± ½ level; the rest is left to rounding. Other
    evidence is drawn in by as much."""
    farthest: float = 16.0
    """Bound on λ as a multiple of peak · scale², which moves a pixel from black to white: of a photograph's samples,
    few that are wrong there have a solution, and a λ that grew for ever would spoil their neighbours, too. Bounded, it
    is an exact penalty's. Text in black and white can need more."""
    regions: bool = False
    """Whether windows cover whole regions, in a grid, instead of single coordinates and what is wrong around them;
    then what is wrong near a window's cut counts, too."""
    combined: bool = False
    """Whether combinations of steps are tried where few coordinates stay wrong, see `neighbour_search`; they are made
    where nothing is wrong then."""
    local: bool = False
    """Whether a window changes as little as possible of what it is by now, instead of aiming at the estimate again.
    Where one coordinate of hundreds is wrong, others may be in a new solution of all of the window."""
    last_resort: bool = False
    """Whether such combinations are made wherever they help, and windows that stay wrong are rounded again, a quarter
    of the pixels at a time."""


@dataclass(frozen=True)
class WindowProblem:
    """A batch of windows: changes d of pixels [B, C, H, W], coordinates [B, C, h, w].

    A change starts at 0 and aims at `f`; it may be anything from `floor` to `ceiling`, which are 0 where pixels are
    frozen. L(A y − x) is `offset` + L A d, to lie in [low, high]; the ascent aims at [aim_low, aim_high]. As only
    changes are computed with, float32 serves 16 bits, too.
    """

    f: Tensor
    floor: Tensor
    ceiling: Tensor
    residual: Tensor
    """A y − x before the change."""
    offset: Tensor
    low: Tensor
    high: Tensor
    aim_low: Tensor
    aim_high: Tensor
    a: WindowCoordinates
    """L A of the windows."""
    rest: Tensor | float = 0.0
    """What e should be near to: 0, A y = x, or where the coordinates that hold are already."""
    offsets: Tensor | float = 0.0
    """What is added to a change before it is rounded [B, 1, H, W], see `Levels.ordered`."""

    def excess(self, change: Tensor, tighter: float = 0.0) -> Tensor:
        """Return how far L(A y − x) is beyond bounds `tighter` levels further inside, for `change` = L A d."""
        coordinates = self.offset + change
        return coordinates - torch.clamp(coordinates, self.low + tighter, self.high - tighter)

    def select(self, rows: Tensor) -> "WindowProblem":
        """Return some of the windows."""
        tensors = {name: value[rows] for name, value in vars(self).items() if isinstance(value, Tensor)}
        return replace(self, **tensors, a=self.a.select(rows))

    def penalty(self, change: Tensor) -> Tensor:
        """Return the squared excess over the bounds [B], for `change` = L A d."""
        return self.excess(change).square().sum(WITHIN)

    def better(self, change: Tensor) -> Tensor:
        """Return [B] whether L A d makes fewer coordinates wrong than no change does, or as many but by less."""
        none = torch.zeros_like(change)
        wrong, before = ((self.excess(c) != 0).sum(WITHIN) for c in (change, none))
        return (wrong < before) | ((wrong == before) & (self.penalty(change) < self.penalty(none)))


class WindowChange(NamedTuple):
    """What is to become of windows."""

    change: Tensor
    """Whole levels [B, C, H, W]."""
    aim: Tensor
    """The change [B, C, H, W] that was rounded: what is kept beside the levels for later windows to aim at."""
    better: Tensor
    """[B] whether it is to be made."""
