"""Repair of an integer image in windows: the nearest image to f inside the box and the slab, then rounded with care.

In a window, with the pixels around it frozen, we want

    min ½‖y − f‖² + μ/2 ‖e‖²    subject to    A y = x + e,   0 ≤ y ≤ peak,   low ≤ e ≤ high,

equality (e = 0) where the box allows it, the slab |A y − x| < ½ level where it does not. Its dual has one multiplier λ
per LR sample, y = clip(f + Aᵀλ), e = clip(−λ/μ), gradient x + e − A y. We climb it by Nesterov's accelerated gradient
with restarts, preconditioned by (AAᵀ + I/μ)⁻¹, which majorises the dual everywhere. Without acceleration and e this
is Dykstra's alternating projection between {A y = x} and the box; the acceleration takes it from O(1/k) to O(1/k²).

Rounding then moves A y by about 0.07 levels (×4) to 0.13 (×2). What that leaves outside the slab is repaired by single
steps of one level, each where it helps most.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.operators.axis import border_reach, dense_a
from mapsr_cli.operators.kernels import Kernel

SOFTNESS = 2.0
"""1/μ times `peak`, as a fraction of AAᵀ's largest eigenvalue: multipliers grow with the range, e must not."""
REPAIR_TURNS, REPAIR_STEPS = 8, 16
TIGHTER = 0.08
"""Levels by which repair aims inside the bounds."""
DRIFT_WEIGHT = 1e-5
CONVERGED = 0.02
"""Largest violation, in levels, at which the continuous problem counts as solved."""
BATCH = 32
"""Windows solved at once."""


@dataclass(frozen=True)
class Effort:
    """How hard to try."""

    window: int
    """Side of a window in LR pixels."""
    passes: int
    """Dual passes."""
    slack: float
    """Half-width of the slab in levels; the rest of the half level is left to rounding."""


@dataclass(frozen=True)
class Spot:
    """A window's place: channel and first LR row and column."""

    channel: int
    row: int
    col: int


def place(wrong: Tensor, size: tuple[int, int], turn: int) -> list[Spot]:
    """Disjoint windows around wrong LR samples [C, h, w]; those that would overlap wait for the next turn.

    Every other turn starts from the far end, so that no sample is always in the shade of the same neighbour.
    """
    at = wrong.nonzero().cpu().numpy()
    taken = np.zeros(wrong.shape, dtype=bool)
    spots = []
    height, width = wrong.shape[1:]
    for channel, i, j in at[:: -1 if turn % 2 else 1]:
        row = int(min(max(i - size[0] // 2, 0), height - size[0]))
        col = int(min(max(j - size[1] // 2, 0), width - size[1]))
        area = (channel, slice(row, row + size[0]), slice(col, col + size[1]))
        if not taken[area].any():
            taken[area] = True
            spots.append(Spot(int(channel), row, col))
    return spots


class Windows:
    """Solves many windows of one size at once. Everything is dense: a window is small."""

    def __init__(
        self,
        kernel: Kernel,
        effort: Effort,
        lr_size: tuple[int, int],
        peak: int,
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.scale, self.effort, self.lr_size = kernel.scale, effort, lr_size
        self.reach = border_reach(kernel)
        self.size = (min(effort.window, lr_size[0]), min(effort.window, lr_size[1]))
        rows, cols = (torch.from_numpy(dense_a(kernel, n * kernel.scale)) for n in self.size)
        height_values, height_vectors = torch.linalg.eigh(rows @ rows.T)
        width_values, width_vectors = torch.linalg.eigh(cols @ cols.T)
        spectrum = height_values[:, None] * width_values[None, :]
        self.softness = SOFTNESS / peak * spectrum.max().item()

        def placed(t: Tensor) -> Tensor:
            return t.to(device, dtype)

        self.rows, self.cols = placed(rows), placed(cols)
        self.height_vectors, self.width_vectors = placed(height_vectors), placed(width_vectors)
        self.damped = placed(1 / (spectrum + self.softness))
        self.step_cost = placed(0.5 * rows.square().sum(0)[:, None] * cols.square().sum(0)[None, :])

    def down(self, y: Tensor) -> Tensor:
        """A y for windows [B, H, W] → [B, h, w]."""
        return self.rows @ y @ self.cols.T

    def adjoint(self, r: Tensor) -> Tensor:
        """Aᵀ r."""
        return self.rows.T @ r @ self.cols

    def precondition(self, r: Tensor) -> Tensor:
        """(AAᵀ + I/μ)⁻¹ r, through the eigenvectors of the two axes."""
        u, v = self.height_vectors, self.width_vectors
        return u @ (self.damped * (u.T @ r @ v)) @ v.T

    def solve(
        self, spots: list[Spot], f: Tensor, y: Tensor, residual: Tensor, low: Tensor, high: Tensor, peak: int
    ) -> bool:
        """Solve the windows at `spots` (disjoint) and write what improves into the integer image y, in place.

        f, y [C, H, W] in levels; residual = A y − x and its bounds low, high [C, h, w]. True if anything improved.
        """
        improved = False
        for at in range(0, len(spots), BATCH):
            batch = spots[at : at + BATCH]
            task = self._gather(batch, f, y, residual, low, high)
            solution = self._repair(task, self._dual(task, peak).round(), peak)
            better = task.penalty(self.down(solution)) < task.penalty(self.down(task.y))
            improved |= bool(better.any())
            for spot, image, keep in zip(batch, solution, better.tolist(), strict=True):
                if keep:
                    self._hr(y, spot).copy_(image)
        return improved

    def _lr(self, t: Tensor, spot: Spot) -> Tensor:
        return t[spot.channel, spot.row : spot.row + self.size[0], spot.col : spot.col + self.size[1]]

    def _hr(self, t: Tensor, spot: Spot) -> Tensor:
        s = self.scale
        rows = slice(s * spot.row, s * (spot.row + self.size[0]))
        return t[spot.channel, rows, s * spot.col : s * (spot.col + self.size[1])]

    def _inside(self, start: int, axis: int, margin: int, unit: int) -> Tensor:
        """[size·unit] mask of what lies at least `margin` LR pixels from a cut; the image's own border is no cut."""
        n = self.size[axis]
        mask = torch.zeros(n * unit, dtype=torch.bool)
        first = 0 if start == 0 else margin
        last = n if start + n == self.lr_size[axis] else n - margin
        mask[first * unit : max(last, first) * unit] = True
        return mask.to(self.rows.device)

    def _mask(self, spot: Spot, margin: int, unit: int) -> Tensor:
        return self._inside(spot.row, 0, margin, unit)[:, None] & self._inside(spot.col, 1, margin, unit)[None, :]

    def _gather(self, spots: list[Spot], f: Tensor, y: Tensor, residual: Tensor, low: Tensor, high: Tensor) -> "_Task":
        """Cut the windows out. Pixels near a cut are frozen, so the window's own A is exact for what moves; LR samples
        near a cut that frozen pixels keep wrong may stay as wrong as they are."""
        images = torch.stack([self._hr(y, s) for s in spots])
        now = torch.stack([self._lr(residual, s) for s in spots])
        lo, hi = (torch.stack([self._lr(t, s) for s in spots]) for t in (low, high))
        controlled = torch.stack([self._mask(s, 2 * self.reach, 1) for s in spots])
        return _Task(
            f=torch.stack([self._hr(f, s) for s in spots]),
            y=images,
            free=torch.stack([self._mask(s, self.reach, self.scale) for s in spots]),
            offset=now - self.down(images),
            low=torch.where(controlled, lo, torch.minimum(lo, now)),
            high=torch.where(controlled, hi, torch.maximum(hi, now)),
        )

    def _dual(self, task: "_Task", peak: int) -> Tensor:
        """The continuous problem: accelerated ascent on λ. Returns y [B, H, W]."""
        multiplier = previous = torch.zeros_like(task.offset)
        t = task.offset.new_ones(task.offset.shape[0], 1, 1)
        for _ in range(self.effort.passes):
            gradient = self._gradient(task, multiplier, peak)
            if gradient.abs().max() < CONVERGED:
                break
            ascended = multiplier + self.precondition(gradient)
            step = ascended - previous
            onward = (gradient * step).sum((1, 2), keepdim=True) > 0  # else: the momentum overshot, start it anew
            t = torch.where(onward, t, torch.ones_like(t))
            grown = (1 + (1 + 4 * t * t).sqrt()) / 2
            multiplier = ascended + (t - 1) / grown * step
            previous, t = ascended, grown
        return self._image(task, multiplier, peak)

    def _bounds(self, task: "_Task") -> tuple[Tensor, Tensor]:
        tighten = 0.5 - self.effort.slack
        return task.low + tighten, task.high - tighten

    def _image(self, task: "_Task", multiplier: Tensor, peak: int) -> Tensor:
        """y(λ) = clip(f + Aᵀλ) where it is free to move."""
        return torch.where(task.free, (task.f + self.adjoint(multiplier)).clamp(0, peak), task.y)

    def _gradient(self, task: "_Task", multiplier: Tensor, peak: int) -> Tensor:
        """x + e − A y, the dual's gradient: what is still violated."""
        e = torch.clamp(-self.softness * multiplier, *self._bounds(task))
        return e - task.offset - self.down(self._image(task, multiplier, peak))

    def _repair(self, task: "_Task", y: Tensor, peak: int) -> Tensor:
        """Step single pixels by one level where that lowers the squared excess over the bounds, until none is left."""
        for _ in range(REPAIR_TURNS):
            wrong = task.penalty(self.down(y)).nonzero()[:, 0]
            if len(wrong) == 0:
                break
            part, repaired = task.select(wrong), y[wrong]
            for step in range(REPAIR_STEPS):
                repaired = self._step(part, repaired, peak, parity=step % 4)
            y = y.index_copy(0, wrong, repaired)
        return y

    def _step(self, task: "_Task", y: Tensor, peak: int, parity: int) -> Tensor:
        """One level at the best pixel of every fourth cell: so far apart that no two such steps share an LR sample.

        The excess is measured against slightly tighter bounds, so that every step that is taken is sure to help:
        ½ dist² has a 1-Lipschitz gradient, hence the gain of a step at pixel j is at least |g_j| − ½ Σ_i a_ij².
        """
        gradient = self.adjoint(task.excess(self.down(y), TIGHTER))
        direction = -gradient.sign()
        drift = 1 + 2 * direction * (y - task.f)  # growth of (y − f)²: breaks ties in favour of f
        moved = y + direction
        gain = gradient.abs() - self.step_cost - DRIFT_WEIGHT * drift
        gain = torch.where(task.free & (moved >= 0) & (moved <= peak), gain, -1.0)
        best = _best_of_cells(gain, 2 * self.reach * self.scale, parity)
        return torch.where(best & (gain > 0), moved, y)


def _best_of_cells(gain: Tensor, cell: int, parity: int) -> Tensor:
    """Mask of the largest gain [B, H, W] in each cell of cell × cell pixels whose row and column parity is `parity`."""
    height, width = gain.shape[1:]
    up, left = (parity // 2) * cell, (parity % 2) * cell
    tall, wide = -(-(height + up) // (2 * cell)) * 2 * cell, -(-(width + left) // (2 * cell)) * 2 * cell
    padded = functional.pad(gain, (left, wide - left - width, up, tall - up - height), value=-1.0)
    cells = padded.view(-1, tall // cell, cell, wide // cell, cell)
    best = cells.amax((2, 4), keepdim=True)
    best[:, ::2] = 2.0  # out of reach: not this cell's turn
    best[:, :, :, ::2] = 2.0
    return (cells == best).view_as(padded)[:, up : up + height, left : left + width]


@dataclass(frozen=True)
class _Task:
    """A batch of windows: pixels [B, H, W], LR samples [B, h, w]. A y − x is `offset` + A y, to lie in [low, high]."""

    f: Tensor
    y: Tensor
    free: Tensor
    offset: Tensor
    low: Tensor
    high: Tensor

    def excess(self, down: Tensor, tighter: float = 0.0) -> Tensor:
        residual = self.offset + down
        return residual - torch.clamp(residual, self.low + tighter, self.high - tighter)

    def select(self, rows: Tensor) -> "_Task":
        """Some of the windows."""
        return _Task(*(t[rows] for t in (self.f, self.y, self.free, self.offset, self.low, self.high)))

    def penalty(self, down: Tensor) -> Tensor:
        """[B] squared excess over the bounds."""
        return self.excess(down).square().sum((1, 2))
