"""Windows over an image: where they go, what they may change, and how they are cut out and put back."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mapsr_cli.operators.kernels import Kernel
from mapsr_cli.operators.levels import Levels
from mapsr_cli.operators.window_solver import Effort, Task, WindowSolver

BATCH = 32
"""Windows solved at once."""
MARGIN = 0.01
"""Levels by which A y must stay clear of a rounding boundary, so that any other implementation of A rounds alike."""


def bounds(x: Tensor, peak: int) -> tuple[Tensor, Tensor]:
    """Where A y − x may lie so that A y, clipped and rounded, is x: half a level less the margin; no bound beyond the
    range, where saving clips anyway."""
    half = torch.full_like(x, 0.5 - MARGIN)
    infinite = torch.full_like(x, float("inf"))
    return torch.where(x <= 0, -infinite, -half), torch.where(x >= peak, infinite, half)


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
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.scale, self.lr_size, self.device = kernel.scale, lr_size, device
        self.reach = kernel.border_reach
        side = max(effort.window, 4 * self.reach + 8)  # a core of at least 8
        self.size = (min(side, lr_size[0]), min(side, lr_size[1]))
        self.cell = side - 4 * self.reach
        self.solver = WindowSolver(kernel, effort, self.size, peak, dtype, device)

    def place(self, wrong: Tensor) -> list[Spot]:
        """Disjoint windows with wrong LR samples [C, h, w] in their middle; those that would overlap must wait."""
        taken = np.zeros(wrong.shape, dtype=bool)
        spots = []
        for channel, i, j in self._first_of_each_cell(wrong):
            row = int(min(max(i - self.size[0] // 2, 0), self.lr_size[0] - self.size[0]))
            col = int(min(max(j - self.size[1] // 2, 0), self.lr_size[1] - self.size[1]))
            area = (channel, slice(row, row + self.size[0]), slice(col, col + self.size[1]))
            if not taken[area].any():
                taken[area] = True
                spots.append(Spot(int(channel), row, col))
        return spots

    def _first_of_each_cell(self, wrong: Tensor) -> NDArray[np.int64]:
        """[n, 3] channel, row and column of one wrong sample in each cell that has any, from top to bottom."""
        found = []
        for channel, plane in enumerate(wrong):
            for top in range(0, plane.shape[0], self.cell):
                at = plane[top : top + self.cell].nonzero().cpu().numpy()
                _, first = np.unique(at[:, 1] // self.cell, return_index=True)
                found.append(np.insert(at[first] + (top, 0), 0, channel, axis=1))
        return np.concatenate(found)

    def core(self, t: Tensor, spot: Spot) -> Tensor:
        """The part of t [C, h, w] that a window at `spot` has in its hand: no frozen pixel reaches it."""
        (top, bottom), (left, right) = (self._free(start, axis, 2 * self.reach) for axis, start in enumerate(spot[1:]))
        return t[spot.channel, spot.row + top : spot.row + bottom, spot.col + left : spot.col + right]

    def solve(self, spots: list[Spot], levels: Levels, x: Tensor, residual: Tensor) -> None:
        """Solve the windows at `spots` (disjoint); what improves goes into the levels and into residual = A y − x."""
        for at in range(0, len(spots), BATCH):
            batch = spots[at : at + BATCH]
            task = self._gather(batch, levels, x, residual)
            images, better = self.solver.solve(task)
            residuals = task.offset + self.solver.a.down(images)
            for spot, image, f, after, keep in zip(batch, images, task.f, residuals, better.tolist(), strict=True):
                if keep:
                    levels.write(self._hr(spot), f, image)
                    self._lr(residual, spot).copy_(after)

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

    def _inside(self, start: int, axis: int, margin: int, unit: int) -> Tensor:
        """[size·unit] mask of what lies at least `margin` LR pixels from a cut."""
        first, last = self._free(start, axis, margin)
        mask = torch.zeros(self.size[axis] * unit, dtype=torch.bool)
        mask[first * unit : last * unit] = True
        return mask.to(self.device)

    def _mask(self, spot: Spot, margin: int, unit: int) -> Tensor:
        return self._inside(spot.row, 0, margin, unit)[:, None] & self._inside(spot.col, 1, margin, unit)[None, :]

    def _gather(self, spots: list[Spot], levels: Levels, x: Tensor, residual: Tensor) -> Task:
        """Cut the windows out.

        Pixels near a cut are frozen, so the window's own A, which reflects there, is exact for whatever moves. LR
        samples near a cut that frozen pixels keep wrong may stay as wrong as they are.
        """
        images, estimates = (torch.stack(t) for t in zip(*(levels.read(self._hr(s)) for s in spots), strict=True))
        now = torch.stack([self._lr(residual, s) for s in spots])
        low, high = bounds(torch.stack([self._lr(x, s) for s in spots]), levels.peak)
        controlled = torch.stack([self._mask(s, 2 * self.reach, 1) for s in spots])
        return Task(
            f=estimates,
            y=images,
            free=torch.stack([self._mask(s, self.reach, self.scale) for s in spots]),
            offset=now - self.solver.a.down(images),
            low=torch.where(controlled, low, torch.minimum(low, now)),
            high=torch.where(controlled, high, torch.maximum(high, now)),
        )
