"""The problem in one window: the nearest image to f within the box and the evidence, then rounded with care.

With the pixels around the window frozen, we want

    min ½‖y − f‖² + μ/2 ‖e − e₀‖²    subject to    L(A y − x) = e,   0 ≤ y ≤ peak,   low ≤ e ≤ high,

equality (e = e₀, by default 0) where the box allows it, the evidence's bounds low ≤ L(A y − x) ≤ high where it does not
(L and the bounds are `Evidence`'s; for samples L is the identity). Its dual has one multiplier λ per coordinate,
y = clip(f + AᵀLᵀλ), e = clip(e₀ − λ/μ), gradient e − L(A y − x). We climb it by Nesterov's accelerated gradient with
restarts, preconditioned by (AAᵀ + I/μ)⁻¹ between L and Lᵀ, damped so that it majorises the dual everywhere. Without
acceleration and e this is Dykstra's alternating projection between {A y = x} and the box; the acceleration takes it
from O(1/k) to O(1/k²).

Rounding then moves A y by 0.06 levels (×4) to 0.12 (×2; standard deviations, bicubic). What that leaves outside the
bounds is repaired by single steps of one level, each where it helps most.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.operators.resizing import AnyKernel
from mapsr_cli.operators.window_problem import WITHIN, Effort, WindowChange, WindowProblem

FIRST_CHECK = 5
"""Passes before windows are first checked: most are solved by then."""
REPAIR_FROM = 40
"""Passes from which on repair pays: before, as many more passes solve as many windows in the same time."""
SETTLING = 8
"""Turns of ordered rounding, which is corrected by what it put outside: each leaves a fraction of that."""
STRIDE = 8.0
"""Multiple of what is outside by which a change is corrected at first. It is halved, down to 1, in a window where a
turn did not help. By 1 alone, a turn of many leaves 0.7 to 0.9 of the penalty."""
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
QUARTERS = (0, 0), (1, 1), (0, 1), (1, 0)
"""First row and column of the pixels that are rounded together: every other one along both axes."""
BETWEEN_LOOKS = 25
"""Passes between two looks at whether they suffice."""


class WindowSolver:
    """Solves many windows of one size at once."""

    def __init__(self, kernel: AnyKernel, effort: Effort, peak: int, block: int) -> None:
        """Prepare for windows of evidence in blocks of `block` LR pixels a side."""
        self.effort = effort
        around = slice(0, 2 * kernel.border_width + block - 1)
        sides = [kernel.hr_range(around, axis) for axis in (0, 1)]
        self.cell = max(side.stop - side.start for side in sides)
        self.farthest = effort.farthest * peak * kernel.hr_pixels(1)

    def solve(self, problem: WindowProblem) -> WindowChange:
        """Find changes of the windows, and which of them make things better.

        Ascends on λ, and checks the rounded change after 5, 10, 20, … passes: a window is done as soon as nothing is
        wrong in it, or when more passes would change nothing. Then what little is wrong is repaired, unless rounding is
        ordered, which settles by itself.
        """
        ordered = isinstance(problem.offsets, Tensor)
        repair_from = 0 if ordered else REPAIR_FROM
        solution, penalty = torch.zeros_like(problem.f), torch.zeros_like(problem.offset[:, 0, 0, 0])
        part, state, left = problem, _Ascent.start(problem.offset), torch.arange(len(solution), device=solution.device)
        before, done = torch.full_like(penalty, float("inf")), 0
        for passes in self._checkpoints():
            for _ in range(passes - done):
                state = self._ascend(part, state)
            done = passes
            change, gradient = self._change_and_gradient(part, state.multiplier)
            solution[left], penalty[left] = self._rounded(part, change)
            violated = gradient.square().sum(WITHIN)
            moving = (violated < WORTHWHILE * before) & (gradient.abs().amax(WITHIN) >= CONVERGED)
            going = ((penalty[left] > 0) & (moving | (passes < repair_from))).nonzero()[:, 0]
            if len(going) == 0:
                break
            before = violated[going]
            if len(going) < len(left):
                left, part, state = left[going], part.select(going), state.select(going)
        if not ordered and self.effort.passes >= REPAIR_FROM:
            self._repair(problem, solution, penalty)
        if self.effort.last_resort and not ordered and problem.a.evidence.block == 1:
            for first in range(len(QUARTERS) if self.effort.local else 1):
                self._round_in_parts(problem, solution, penalty, (*QUARTERS[first:], *QUARTERS[:first]))
        return WindowChange(solution, problem.f, problem.better(problem.a.coordinates(solution)))

    def _rounded(self, problem: WindowProblem, change: Tensor) -> tuple[Tensor, Tensor]:
        """Round a change [B, C, H, W]; also returns the penalty [B] of what that leaves outside.

        Ordered rounding keeps what is added to it, on average over few pixels: what it put outside is taken from the
        change, and that is rounded from the same thresholds. Rounding to the nearest level has no such memory.
        """
        rounded = change.round()
        penalty = problem.penalty(problem.a.coordinates(rounded))
        if not isinstance(problem.offsets, Tensor):
            return rounded, penalty
        part, left = problem, torch.arange(len(penalty), device=penalty.device)
        stride, before = torch.full_like(penalty, STRIDE), torch.full_like(penalty, torch.inf)
        for _ in range(SETTLING):
            tried = (change + part.offsets).round_()
            coordinates = part.a.coordinates(tried)
            outside = part.penalty(coordinates)
            better = outside < penalty[left]
            rounded[left[better]], penalty[left[better]] = tried[better], outside[better]
            going = (penalty[left] > 0).nonzero()[:, 0]
            if len(going) == 0:
                break
            stride, before = torch.where(outside < before, stride, (stride / 2).clamp_min(1)), outside
            if len(going) <= len(left) // 2:  # to select costs about a turn
                left, part, change, coordinates = left[going], part.select(going), change[going], coordinates[going]
                stride, before = stride[going], before[going]
            back = part.a.precondition(part.excess(coordinates, TIGHTER))
            change = part.a.adjoint(-stride[:, None, None, None] * back, change).clamp_(part.floor, part.ceiling)
        return rounded, penalty

    def _checkpoints(self) -> Iterator[int]:
        passes = FIRST_CHECK
        while passes < self.effort.passes:
            yield passes
            passes *= 2
        yield self.effort.passes

    def _ascend(self, problem: WindowProblem, state: "_Ascent") -> "_Ascent":
        """Make one pass of Nesterov's method; where the momentum overshoots, restart it."""
        _, gradient = self._change_and_gradient(problem, state.multiplier)
        ascended = self._bounded(state.multiplier + problem.a.precondition(gradient))
        step = ascended - state.previous
        onward = (gradient * step).sum(WITHIN, keepdim=True) > 0
        t = torch.where(onward, state.t, torch.ones_like(state.t))
        grown = (1 + (1 + 4 * t * t).sqrt()) / 2
        return _Ascent(self._bounded(ascended + (t - 1) / grown * step), ascended, grown)

    def _bounded(self, multiplier: Tensor) -> Tensor:
        return multiplier.clamp_(-self.farthest, self.farthest)

    def _change_and_gradient(self, problem: WindowProblem, multiplier: Tensor) -> tuple[Tensor, Tensor]:
        """Return d(λ) = clip(f + AᵀLᵀλ), and e − L(A y − x), the dual's gradient: what is still violated."""
        change = problem.a.adjoint(multiplier, problem.f).clamp_(problem.floor, problem.ceiling)
        e = torch.clamp(problem.rest - problem.a.softness * multiplier, problem.aim_low, problem.aim_high)
        return change, e - problem.offset - problem.a.coordinates(change)

    def _round_in_parts(
        self, problem: WindowProblem, change: Tensor, penalty: Tensor, parts: Sequence[tuple[int, int]]
    ) -> None:
        """Round a quarter of the pixels, let the others make up for it, and so on. In place, where that is better.

        Where many coordinates lie at their bounds, as beside white areas at small ratios, rounding all pixels at once
        moves some of them out.
        """
        left = ((penalty > 0) & (penalty <= REPAIRABLE)).nonzero()[:, 0]
        if len(left) == 0:
            return
        whole_problem = part = problem.select(left)
        state = _Ascent.start(part.offset)
        for row, col in parts:
            state = self._settled(part, state)
            found, _ = self._change_and_gradient(part, state.multiplier)
            now = torch.zeros(found.shape[2:], dtype=torch.bool, device=found.device)
            now[row::2, col::2] = True
            floor, ceiling = (torch.where(now, found.round(), end) for end in (part.floor, part.ceiling))
            part = replace(part, floor=floor, ceiling=ceiling)
        found = part.floor
        after = whole_problem.penalty(whole_problem.a.coordinates(found))
        self._repair(whole_problem, found, after)
        better = after < penalty[left]
        change[left[better]], penalty[left[better]] = found[better], after[better]

    def _settled(self, problem: WindowProblem, state: "_Ascent") -> "_Ascent":
        """Make passes, without the momentum so far, until every window has converged or the passes are used up."""
        state = replace(state, previous=state.multiplier, t=torch.ones_like(state.t))
        for _ in range(0, self.effort.passes, BETWEEN_LOOKS):
            for _ in range(BETWEEN_LOOKS):
                state = self._ascend(problem, state)
            if self._change_and_gradient(problem, state.multiplier)[1].abs().max() < CONVERGED:
                break
        return state

    def _repair(self, problem: WindowProblem, change: Tensor, penalty: Tensor) -> None:
        """Step single pixels by one level where that lowers the squared excess over the bounds, while it still does.

        In place, in the windows whose `penalty` [B] is small.
        """
        left = ((penalty > 0) & (penalty <= REPAIRABLE)).nonzero()[:, 0]
        for _ in range(REPAIR_TURNS):
            if len(left) == 0:
                break
            part, repaired, before = problem.select(left), change[left], penalty[left]
            for step in range(REPAIR_STEPS):
                repaired = self._step(part, repaired, parity=step % 4)
            change[left], penalty[left] = repaired, part.penalty(part.a.coordinates(repaired))
            left = left[(penalty[left] > 0) & (penalty[left] < WORTHWHILE * before)]

    def _step(self, problem: WindowProblem, change: Tensor, parity: int) -> Tensor:
        """Step by one level at the best pixel of every fourth cell: no two such pixels affect the same coordinate.

        The excess is measured against slightly tighter bounds, so that every step that is taken is sure to help:
        ½ dist² has a 1-Lipschitz gradient, hence the gain of a step at pixel j is at least |g_j| − ½ Σ_i a_ij².
        """
        gradient = problem.a.adjoint(problem.excess(problem.a.coordinates(change), TIGHTER))
        direction = -gradient.sign()
        drift = direction * (change - problem.f).clamp(-1, 1)  # away from f
        moved = change + direction
        gain = gradient.abs() - problem.a.step_cost - DRIFT_WEIGHT * drift
        gain = torch.where((moved >= problem.floor) & (moved <= problem.ceiling), gain, -1.0)
        best = _best_of_cells(gain, self.cell, parity)
        return torch.where(best & (gain > 0), moved, change)


def _best_of_cells(gain: Tensor, cell: int, parity: int) -> Tensor:
    """Mark the largest gain [B, C, H, W] in each cell of cell × cell pixels whose row and column parity is `parity`."""
    height, width = gain.shape[2:]
    up, left = (parity // 2) * cell, (parity % 2) * cell
    tall, wide = -(-(height + up) // (2 * cell)) * 2 * cell, -(-(width + left) // (2 * cell)) * 2 * cell
    padded = functional.pad(gain, (left, wide - left - width, up, tall - up - height), value=-1.0)
    cells = padded.view(*gain.shape[:2], tall // cell, cell, wide // cell, cell)
    best = cells.amax((1, 3, 5), keepdim=True)
    best[:, :, ::2] = 2.0  # more than any gain: not this cell's turn
    best[:, :, :, :, ::2] = 2.0
    return (cells == best).view_as(padded)[..., up : up + height, left : left + width]


@dataclass(frozen=True)
class _Ascent:
    """Where the ascent stands: λ with its momentum, λ without, and Nesterov's t [B, 1, 1, 1]."""

    multiplier: Tensor
    previous: Tensor
    t: Tensor

    @classmethod
    def start(cls, like: Tensor) -> "_Ascent":
        """Start at λ = 0."""
        zero = torch.zeros_like(like)
        return cls(zero, zero, like.new_ones(len(like), 1, 1, 1))

    def select(self, rows: Tensor) -> "_Ascent":
        """Return some of the windows."""
        return _Ascent(self.multiplier[rows], self.previous[rows], self.t[rows])
