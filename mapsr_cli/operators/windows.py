"""Windows over an image: where they go, what they may change, and how they are cut out and put back."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mapsr_cli.operators.kernels import Kernel
from mapsr_cli.operators.levels import Levels
from mapsr_cli.operators.window_solver import Effort, Task, WindowSolver

BATCH = 32
"""Windows solved at once."""
MARGIN = 0.01
"""Levels by which A y must stay clear of a rounding boundary, so that any other implementation of A rounds alike."""
COMPUTED_IN = torch.float32
"""Changes of an image are small numbers, also at 16 bits."""
SLIP = 0.25
"""Levels by which what frozen pixels keep wrong may become more so: rounding does as much; another window mends it."""


def bounds(x: Tensor, peak: int) -> tuple[Tensor, Tensor]:
    """Where A y − x may lie so that A y, clipped and rounded, is x: half a level less the margin; no bound beyond the
    range, where saving clips anyway."""
    half = torch.full_like(x, 0.5 - MARGIN)
    infinite = torch.full_like(x, float("inf"))
    return torch.where(x <= 0, -infinite, -half), torch.where(x >= peak, infinite, half)


def is_wrong(residual: Tensor, x: Tensor, peak: int) -> Tensor:
    """Where A y, clipped and rounded, is not x, or nearly so, for residual = A y − x: outside of `bounds`."""
    too_low = (residual < MARGIN - 0.5) & (x > 0)
    return too_low | ((residual > 0.5 - MARGIN) & (x < peak))


class Spot(NamedTuple):
    """A window's place: channel and first LR row and column."""

    channel: int
    row: int
    col: int


class Windows:
    """Windows of one size over one image."""

    def __init__(
        self,
        kernel: Kernel,
        effort: Effort,
        lr_size: tuple[int, int],
        peak: int,
        device: torch.device,
    ) -> None:
        self.scale, self.lr_size, self.device = kernel.scale, lr_size, device
        self.reach = kernel.border_reach
        side = max(effort.window, 4 * self.reach + 8)  # a core of at least 8
        self.size = (min(side, lr_size[0]), min(side, lr_size[1]))
        self.cell = side - 4 * self.reach
        self.solver = WindowSolver(kernel, effort, self.size, peak, COMPUTED_IN, device)
        self._known_masks: dict[tuple[tuple[int, int], ...], tuple[Tensor, Tensor]] = {}

    def place(self, wrong: Tensor) -> list[Spot]:
        """Disjoint windows with wrong LR samples [C, h, w] in their middle; those that would overlap must wait."""
        taken = np.zeros(wrong.shape, dtype=bool)
        spots = []
        for channel, i, j in self._first_of_each_cell(wrong):
            row = min(max(i - self.size[0] // 2, 0), self.lr_size[0] - self.size[0])
            col = min(max(j - self.size[1] // 2, 0), self.lr_size[1] - self.size[1])
            area = (channel, slice(row, row + self.size[0]), slice(col, col + self.size[1]))
            if not taken[area].any():
                taken[area] = True
                spots.append(Spot(channel, row, col))
        return spots

    def _first_of_each_cell(self, wrong: Tensor) -> Iterator[tuple[int, int, int]]:
        """Channel, row and column of one wrong sample in each cell that has any, from top to bottom."""
        for channel, plane in enumerate(wrong.cpu().numpy()):
            rows, cols = plane.nonzero()
            cells = (rows // self.cell) * plane.shape[1] + cols // self.cell
            for first in np.sort(np.unique(cells, return_index=True)[1]):
                yield channel, int(rows[first]), int(cols[first])

    def core(self, t: Tensor, spot: Spot) -> Tensor:
        """The part of t [C, h, w] that a window at `spot` has in its hand: no frozen pixel reaches it."""
        (top, bottom), (left, right) = (self._free(start, axis, 2 * self.reach) for axis, start in enumerate(spot[1:]))
        return t[spot.channel, spot.row + top : spot.row + bottom, spot.col + left : spot.col + right]

    def solve(self, spots: list[Spot], levels: Levels, x: Tensor, residual: Tensor, wrong: Tensor) -> None:
        """Solve the windows at `spots` (disjoint); what improves goes into the levels, residual = A y − x and wrong."""
        for at in range(0, len(spots), BATCH):
            batch = spots[at : at + BATCH]
            images, task = self._gather(batch, levels, x, residual)
            changes, better = self.solver.solve(task)
            kept = better.nonzero()[:, 0]
            batch = [batch[index] for index in kept.tolist()]
            images, changes, ahead, offset = (t[kept] for t in (images, changes, task.f, task.offset))
            levels.scatter([self._hr(spot) for spot in batch], images + changes, ahead - changes)
            after = (offset + self.solver.a.down(changes)).to(residual.dtype)
            for spot, part in zip(batch, after.unbind(), strict=True):
                self._lr(residual, spot).copy_(part)
                self._lr(wrong, spot).copy_(is_wrong(part, self._lr(x, spot), levels.peak))

    def _lr(self, t: Tensor, spot: Spot) -> Tensor:
        return t[spot.channel, spot.row : spot.row + self.size[0], spot.col : spot.col + self.size[1]]

    def _hr(self, spot: Spot) -> tuple[int, slice, slice]:
        s = self.scale
        rows = slice(s * spot.row, s * (spot.row + self.size[0]))
        return spot.channel, rows, slice(s * spot.col, s * (spot.col + self.size[1]))

    def _free(self, start: int, axis: int, margin: int) -> tuple[int, int]:
        """First and last (exclusive) LR index in the window `margin` from a cut; the image's border is no cut."""
        n = self.size[axis]
        first = 0 if start == 0 else margin
        return first, max(n if start + n == self.lr_size[axis] else n - margin, first)

    def _masks(self, spot: Spot) -> tuple[Tensor, Tensor]:
        """Pixels that may move, and LR samples that no frozen pixel reaches: what lies far enough from every cut."""
        cuts = tuple(self._free(start, axis, 1) for axis, start in enumerate(spot[1:]))
        if cuts not in self._known_masks:
            self._known_masks[cuts] = self._mask(spot, self.reach, self.scale), self._mask(spot, 2 * self.reach, 1)
        return self._known_masks[cuts]

    def _mask(self, spot: Spot, margin: int, unit: int) -> Tensor:
        rows, cols = (self._inside(start, axis, margin, unit) for axis, start in enumerate(spot[1:]))
        return rows[:, None] & cols[None, :]

    def _inside(self, start: int, axis: int, margin: int, unit: int) -> Tensor:
        """[size·unit] mask of what lies at least `margin` LR pixels from a cut."""
        first, last = self._free(start, axis, margin)
        mask = torch.zeros(self.size[axis] * unit, dtype=torch.bool)
        mask[first * unit : last * unit] = True
        return mask.to(self.device)

    def _gather(self, spots: list[Spot], levels: Levels, x: Tensor, residual: Tensor) -> tuple[Tensor, Task]:
        """Cut the windows out: the image [B, H, W], and what is to be done with it.

        Pixels near a cut are frozen, so the window's own A, which reflects there, is exact for whatever moves. LR
        samples near a cut that frozen pixels keep wrong may stay as wrong as they are.
        """
        images, ahead = levels.gather([self._hr(s) for s in spots], COMPUTED_IN)
        now = torch.stack([self._lr(residual, s) for s in spots]).to(COMPUTED_IN)
        low, high = bounds(torch.stack([self._lr(x, s) for s in spots]).to(COMPUTED_IN), levels.peak)
        free, controlled = (torch.stack(masks) for masks in zip(*(self._masks(s) for s in spots), strict=True))
        tighten = 0.5 - self.solver.effort.slack
        aims = low + tighten, high - tighten
        return images, Task(
            f=ahead,
            floor=torch.where(free, -images, 0.0),
            ceiling=torch.where(free, levels.peak - images, 0.0),
            offset=now,
            low=torch.where(controlled | (now >= low), low, now - SLIP),
            high=torch.where(controlled | (now <= high), high, now + SLIP),
            aim_low=torch.where(controlled, aims[0], torch.minimum(aims[0], now)),
            aim_high=torch.where(controlled, aims[1], torch.maximum(aims[1], now)),
        )
