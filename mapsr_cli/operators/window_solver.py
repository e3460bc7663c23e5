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

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.operators.kernels import Kernel
from mapsr_cli.operators.window_map import window_map

SOFTNESS = 2.0
"""1/μ times `peak`, as a fraction of AAᵀ's largest eigenvalue: multipliers grow with the range, e must not."""
FIRST_LOOK = 5
"""Passes before the first look at which windows are solved: most are by then."""
REPAIR_FROM = 40
"""Passes before repair is worth its time: until then, as many more passes solve as many windows."""
REPAIRABLE = 1.0
"""Squared levels of penalty beyond which repair is hopeless."""
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
    farthest: float = 16.0
    """Bound on λ as a multiple of peak · scale², which moves a pixel from black to white: of a photograph's samples,
    few that are wrong there have a solution, and a λ that grew for ever would spoil their neighbours, too. Bounded, it
    is an exact penalty's. Text in black and white can need more."""


@dataclass(frozen=True)
class Task:
    """A batch of windows: changes d of pixels [B, H, W], LR samples [B, h, w].

    A change starts at 0 and aims at `f`; it may be anything from `floor` to `ceiling`, which are 0 where pixels are
    frozen. A y − x is `offset` + A d, to lie in [low, high]; the ascent aims at [aim_low, aim_high]. As only changes
    are computed with, float32 serves 16 bits, too.
    """

    f: Tensor
    floor: Tensor
    ceiling: Tensor
    offset: Tensor
    low: Tensor
    high: Tensor
    aim_low: Tensor
    aim_high: Tensor

    def excess(self, down: Tensor, tighter: float = 0.0) -> Tensor:
        """[B, h, w] how far A y − x is beyond its bounds, `tighter` levels inside them, for `down` = A d."""
        residual = self.offset + down
        return residual - torch.clamp(residual, self.low + tighter, self.high - tighter)

    def select(self, rows: Tensor) -> "Task":
        """Some of the windows."""
        return Task(**{name: tensor[rows] for name, tensor in vars(self).items()})

    def penalty(self, down: Tensor) -> Tensor:
        """[B] squared excess over the bounds."""
        return self.excess(down).square().sum((1, 2))

    def better(self, down: Tensor) -> Tensor:
        """[B] whether a change makes fewer samples wrong than none, or as many but by less."""
        none = torch.zeros_like(down)
        wrong, before = ((self.excess(d) != 0).sum((1, 2)) for d in (down, none))
        return (wrong < before) | ((wrong == before) & (self.penalty(down) < self.penalty(none)))


class WindowSolver:
    """Solves many windows of one size at once."""

    def __init__(
        self, kernel: Kernel, effort: Effort, size: tuple[int, int], peak: int, dtype: torch.dtype, device: torch.device
    ) -> None:
        self.effort = effort
        self.cell = 2 * kernel.border_reach * kernel.scale
        self.farthest = effort.farthest * peak * kernel.scale**2
        self.a = window_map(kernel, size, SOFTNESS / peak, dtype, device)

    def solve(self, task: Task) -> tuple[Tensor, Tensor]:
        """Whole changes [B, H, W] for the windows, and which of them [B] make things better.

        Ascent on λ, with looks at what rounding makes of it after 5, 10, 20, … passes: a window leaves as soon as
        nothing is wrong in it, or where more passes would change nothing. Then what little is wrong is repaired.
        """
        solution, penalty = torch.zeros_like(task.f), torch.zeros_like(task.offset[:, 0, 0])
        part, state, left = task, _Ascent.start(task.offset), torch.arange(len(solution), device=solution.device)
        before, done = torch.full_like(penalty, float("inf")), 0
        for passes in self._looks():
            for _ in range(passes - done):
                state = self._ascend(part, state)
            done = passes
            change, gradient = self._change_and_gradient(part, state.multiplier)
            solution[left] = change.round_()
            penalty[left] = part.penalty(self.a.down(change))
            violated = gradient.square().sum((1, 2))
            moving = (violated < WORTHWHILE * before) & (gradient.abs().amax((1, 2)) >= CONVERGED)
            going = ((penalty[left] > 0) & (moving | (passes < REPAIR_FROM))).nonzero()[:, 0]
            if len(going) == 0:
                break
            before = violated[going]
            if len(going) < len(left):
                left, part, state = left[going], part.select(going), state.select(going)
        if self.effort.passes >= REPAIR_FROM:
            self._repair(task, solution, penalty)
        return solution, task.better(self.a.down(solution))

    def _looks(self) -> Iterator[int]:
        passes = FIRST_LOOK
        while passes < self.effort.passes:
            yield passes
            passes *= 2
        yield self.effort.passes

    def _ascend(self, task: "Task", state: "_Ascent") -> "_Ascent":
        """One pass of Nesterov's method; where the momentum overshoots, it starts anew."""
        _, gradient = self._change_and_gradient(task, state.multiplier)
        ascended = self._bounded(state.multiplier + self.a.precondition(gradient))
        step = ascended - state.previous
        onward = (gradient * step).sum((1, 2), keepdim=True) > 0
        t = torch.where(onward, state.t, torch.ones_like(state.t))
        grown = (1 + (1 + 4 * t * t).sqrt()) / 2
        return _Ascent(self._bounded(ascended + (t - 1) / grown * step), ascended, grown)

    def _bounded(self, multiplier: Tensor) -> Tensor:
        return multiplier.clamp_(-self.farthest, self.farthest)

    def _change_and_gradient(self, task: "Task", multiplier: Tensor) -> tuple[Tensor, Tensor]:
        """d(λ) = clip(f + Aᵀλ), and x + e − A y, the dual's gradient: what is still violated."""
        change = self.a.adjoint(multiplier, task.f).clamp_(task.floor, task.ceiling)
        e = torch.clamp(-self.a.softness * multiplier, task.aim_low, task.aim_high)
        return change, e - task.offset - self.a.down(change)

    def _repair(self, task: "Task", change: Tensor, penalty: Tensor) -> None:
        """Step single pixels by one level where that lowers the squared excess over the bounds, while it still does.

        In place, in the windows whose `penalty` [B] is small.
        """
        left = ((penalty > 0) & (penalty <= REPAIRABLE)).nonzero()[:, 0]
        for _ in range(REPAIR_TURNS):
            if len(left) == 0:
                break
            part, repaired, before = task.select(left), change[left], penalty[left]
            for step in range(REPAIR_STEPS):
                repaired = self._step(part, repaired, parity=step % 4)
            change[left], penalty[left] = repaired, part.penalty(self.a.down(repaired))
            left = left[(penalty[left] > 0) & (penalty[left] < WORTHWHILE * before)]

    def _step(self, task: "Task", change: Tensor, parity: int) -> Tensor:
        """One level at the best pixel of every fourth cell: so far apart that no two such steps share an LR sample.

        The excess is measured against slightly tighter bounds, so that every step that is taken is sure to help:
        ½ dist² has a 1-Lipschitz gradient, hence the gain of a step at pixel j is at least |g_j| − ½ Σ_i a_ij².
        """
        gradient = self.a.adjoint(task.excess(self.a.down(change), TIGHTER))
        direction = -gradient.sign()
        drift = direction * (change - task.f).clamp(-1, 1)  # away from f
        moved = change + direction
        gain = gradient.abs() - self.a.step_cost - DRIFT_WEIGHT * drift
        gain = torch.where((moved >= task.floor) & (moved <= task.ceiling), gain, -1.0)
        best = _best_of_cells(gain, self.cell, parity)
        return torch.where(best & (gain > 0), moved, change)


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
