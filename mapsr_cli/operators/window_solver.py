"""The problem in one window: the nearest image to f inside the box and the slab, then rounded with care.

With the pixels around the window frozen, we want

    min ½‖y − f‖² + μ/2 ‖e‖²    subject to    A y = x + e,   0 ≤ y ≤ peak,   low ≤ e ≤ high,

equality (e = 0) where the box allows it, the slab |A y − x| < ½ level where it does not. Its dual has one multiplier λ
per LR sample, y = clip(f + Aᵀλ), e = clip(−λ/μ), gradient x + e − A y. We climb it by Nesterov's accelerated gradient
with restarts, preconditioned by (AAᵀ + I/μ)⁻¹, which majorises the dual everywhere. Without acceleration and e this
is Dykstra's alternating projection between {A y = x} and the box; the acceleration takes it from O(1/k) to O(1/k²).

Rounding then moves A y by 0.06 levels (×4) to 0.12 (×2; standard deviations, bicubic). What that leaves outside the
slab is repaired by single steps of one level, each where it helps most.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.operators.kernels import Kernel
from mapsr_cli.operators.window_map import window_map

SOFTNESS = 2.0
"""1/μ times `peak`, as a fraction of AAᵀ's largest eigenvalue: multipliers grow with the range, e must not."""
CHECK_EVERY = 10
"""Passes between looks at which windows have converged."""
REPAIR_TURNS, REPAIR_STEPS, WORTHWHILE = 16, 8, 0.9
"""Turns of so many steps; a window goes on only if a turn brought its penalty below this fraction."""
TIGHTER = 0.08
"""Levels by which repair aims inside the bounds."""
DRIFT_WEIGHT = 1e-5
"""Enough to break ties between pixels in favour of those that come nearer to f."""
CONVERGED = 0.02
"""Largest violation, in levels, at which the continuous problem counts as solved."""


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
class Task:
    """A batch of windows: pixels [B, H, W], LR samples [B, h, w]. A y − x is `offset` + A y, to lie in [low, high]."""

    f: Tensor
    y: Tensor
    free: Tensor
    offset: Tensor
    low: Tensor
    high: Tensor

    def excess(self, down: Tensor, tighter: float = 0.0) -> Tensor:
        """[B, h, w] how far A y − x is beyond its bounds, `tighter` levels inside them, for A y in the window."""
        residual = self.offset + down
        return residual - torch.clamp(residual, self.low + tighter, self.high - tighter)

    def select(self, rows: Tensor) -> "Task":
        """Some of the windows."""
        return Task(*(t[rows] for t in (self.f, self.y, self.free, self.offset, self.low, self.high)))

    def penalty(self, down: Tensor) -> Tensor:
        """[B] squared excess over the bounds."""
        return self.excess(down).square().sum((1, 2))

    def better(self, down: Tensor, than: Tensor) -> Tensor:
        """[B] whether fewer samples are wrong, or as many but by less."""
        wrong, before = ((self.excess(d) != 0).sum((1, 2)) for d in (down, than))
        return (wrong < before) | ((wrong == before) & (self.penalty(down) < self.penalty(than)))


class WindowSolver:
    """Solves many windows of one size at once."""

    def __init__(
        self, kernel: Kernel, effort: Effort, size: tuple[int, int], peak: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.effort, self.peak = effort, peak
        self.cell = 2 * kernel.border_reach * kernel.scale
        self.a = window_map(kernel, size, SOFTNESS / peak, dtype, device)

    def solve(self, task: Task) -> tuple[Tensor, Tensor]:
        """Integer images [B, H, W] for the windows, and which of them [B] are better than what was there."""
        solution = self._repair(task, self._dual(task).round())
        return solution, task.better(self.a.down(solution), self.a.down(task.y))

    def _dual(self, task: "Task") -> Tensor:
        """The continuous problem: accelerated ascent on λ. Returns y [B, H, W]. Windows that converge drop out."""
        y = task.y.clone()
        left = torch.arange(len(y), device=y.device)
        state = _Ascent.start(task.offset)
        for _ in range(0, self.effort.passes, CHECK_EVERY):
            for _ in range(CHECK_EVERY):
                state = self._ascend(task, state)
            image, gradient = self._image_and_gradient(task, state.multiplier)
            y[left] = image
            keep = (gradient.abs().amax((1, 2)) >= CONVERGED).nonzero()[:, 0]
            if len(keep) == 0:
                break
            if len(keep) < len(left):
                left, task, state = left[keep], task.select(keep), state.select(keep)
        return y

    def _ascend(self, task: "Task", state: "_Ascent") -> "_Ascent":
        """One pass of Nesterov's method; where the momentum overshoots, it starts anew."""
        _, gradient = self._image_and_gradient(task, state.multiplier)
        ascended = state.multiplier + self.a.precondition(gradient)
        step = ascended - state.previous
        onward = (gradient * step).sum((1, 2), keepdim=True) > 0
        t = torch.where(onward, state.t, torch.ones_like(state.t))
        grown = (1 + (1 + 4 * t * t).sqrt()) / 2
        return _Ascent(ascended + (t - 1) / grown * step, ascended, grown)

    def _image_and_gradient(self, task: "Task", multiplier: Tensor) -> tuple[Tensor, Tensor]:
        """y(λ) = clip(f + Aᵀλ) where it is free, and x + e − A y, the dual's gradient: what is still violated."""
        tighten = 0.5 - self.effort.slack
        y = torch.where(task.free, (task.f + self.a.adjoint(multiplier)).clamp_(0, self.peak), task.y)
        e = torch.clamp(-self.a.softness * multiplier, task.low + tighten, task.high - tighten)
        return y, e - task.offset - self.a.down(y)

    def _repair(self, task: "Task", y: Tensor) -> Tensor:
        """Step single pixels by one level where that lowers the squared excess over the bounds, while it still does."""
        penalty = task.penalty(self.a.down(y))
        left = penalty.nonzero()[:, 0]
        for _ in range(REPAIR_TURNS):
            if len(left) == 0:
                break
            part, repaired, before = task.select(left), y[left], penalty[left]
            for step in range(REPAIR_STEPS):
                repaired = self._step(part, repaired, parity=step % 4)
            y = y.index_copy(0, left, repaired)
            penalty = part.penalty(self.a.down(repaired))
            going = (penalty > 0) & (penalty < WORTHWHILE * before)
            left, penalty = left[going], torch.zeros_like(y[:, 0, 0]).index_copy(0, left, penalty)
        return y

    def _step(self, task: "Task", y: Tensor, parity: int) -> Tensor:
        """One level at the best pixel of every fourth cell: so far apart that no two such steps share an LR sample.

        The excess is measured against slightly tighter bounds, so that every step that is taken is sure to help:
        ½ dist² has a 1-Lipschitz gradient, hence the gain of a step at pixel j is at least |g_j| − ½ Σ_i a_ij².
        """
        gradient = self.a.adjoint(task.excess(self.a.down(y), TIGHTER))
        direction = -gradient.sign()
        drift = direction * (y - task.f).clamp(-1, 1)  # away from f
        moved = y + direction
        gain = gradient.abs() - self.a.step_cost - DRIFT_WEIGHT * drift
        gain = torch.where(task.free & (moved >= 0) & (moved <= self.peak), gain, -1.0)
        best = _best_of_cells(gain, self.cell, parity)
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
class _Ascent:
    """Where the ascent stands: λ with its momentum, λ without, and Nesterov's t [B, 1, 1]."""

    multiplier: Tensor
    previous: Tensor
    t: Tensor

    @classmethod
    def start(cls, like: Tensor) -> "_Ascent":
        """At λ = 0."""
        zero = torch.zeros_like(like)
        return cls(zero, zero, like.new_ones(len(like), 1, 1))

    def select(self, rows: Tensor) -> "_Ascent":
        """Some of the windows."""
        return _Ascent(self.multiplier[rows], self.previous[rows], self.t[rows])
