"""Windows over an image: where they go, what they may change, and how they are cut out and put back."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from mapsr_cli.operators.kernels import Kernel
from mapsr_cli.operators.window_solver import Effort, Task, WindowSolver

BATCH = 32
"""Windows solved at once."""


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
        at = wrong.nonzero().cpu().numpy()
        _, first = np.unique(at // np.array([1, self.cell, self.cell]), axis=0, return_index=True)
        taken = np.zeros(wrong.shape, dtype=bool)
        spots = []
        for channel, i, j in at[np.sort(first)]:
            row = int(min(max(i - self.size[0] // 2, 0), self.lr_size[0] - self.size[0]))
            col = int(min(max(j - self.size[1] // 2, 0), self.lr_size[1] - self.size[1]))
            area = (channel, slice(row, row + self.size[0]), slice(col, col + self.size[1]))
            if not taken[area].any():
                taken[area] = True
                spots.append(Spot(int(channel), row, col))
        return spots

    def core(self, t: Tensor, spot: Spot) -> Tensor:
        """The part of t [C, h, w] that a window at `spot` has in its hand: no frozen pixel reaches it."""
        (top, bottom), (left, right) = (self._free(start, axis, 2 * self.reach) for axis, start in enumerate(spot[1:]))
        return t[spot.channel, spot.row + top : spot.row + bottom, spot.col + left : spot.col + right]

    def solve(self, spots: list[Spot], f: Tensor, y: Tensor, residual: Tensor, low: Tensor, high: Tensor) -> None:
        """Solve the windows at `spots` (disjoint) and write what improves into the integer image y, in place.

        f, y [C, H, W] in levels; residual = A y − x and its bounds low, high [C, h, w].
        """
        for at in range(0, len(spots), BATCH):
            batch = spots[at : at + BATCH]
            images, better = self.solver.solve(self._gather(batch, f, y, residual, low, high))
            for spot, image, keep in zip(batch, images, better.tolist(), strict=True):
                if keep:
                    self._hr(y, spot).copy_(image)

    def _lr(self, t: Tensor, spot: Spot) -> Tensor:
        return t[spot.channel, spot.row : spot.row + self.size[0], spot.col : spot.col + self.size[1]]

    def _hr(self, t: Tensor, spot: Spot) -> Tensor:
        s = self.scale
        rows = slice(s * spot.row, s * (spot.row + self.size[0]))
        return t[spot.channel, rows, s * spot.col : s * (spot.col + self.size[1])]

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

    def _gather(self, spots: list[Spot], f: Tensor, y: Tensor, residual: Tensor, low: Tensor, high: Tensor) -> Task:
        """Cut the windows out.

        Pixels near a cut are frozen, so the window's own A, which reflects there, is exact for whatever moves. LR
        samples near a cut that frozen pixels keep wrong may stay as wrong as they are.
        """
        images = torch.stack([self._hr(y, s) for s in spots])
        now = torch.stack([self._lr(residual, s) for s in spots])
        lo, hi = (torch.stack([self._lr(t, s) for s in spots]) for t in (low, high))
        controlled = torch.stack([self._mask(s, 2 * self.reach, 1) for s in spots])
        return Task(
            f=torch.stack([self._hr(f, s) for s in spots]),
            y=images,
            free=torch.stack([self._mask(s, self.reach, self.scale) for s in spots]),
            offset=now - self.solver.a.down(images),
            low=torch.where(controlled, lo, torch.minimum(lo, now)),
            high=torch.where(controlled, hi, torch.maximum(hi, now)),
        )
