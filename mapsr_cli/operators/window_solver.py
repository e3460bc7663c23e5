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

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.operators.resizing import AnyKernel
from mapsr_cli.operators.window_map import WindowCoordinates

FIRST_CHECK = 5
"""Passes before windows are first checked: most are solved by then."""
REPAIR_FROM = 40
"""Passes from which on repair pays: before, as many more passes solve as many windows in the same time."""
SETTLING = 8
"""Turns of ordered rounding, which is corrected by what it put outside: each leaves a fraction of that."""
REPAIRABLE = 1.0
"""Squared levels of penalty beyond which repair is hopeless."""
REPAIR_TURNS, REPAIR_STEPS, WORTHWHILE = 16, 8, 0.9
"""Turns of so many steps; a window goes on only if a turn brought its penalty below this fraction."""
TIGHTER = 0.08
"""Levels by which repair aims inside the bounds."""
DRIFT_WEIGHT = 1e-5
"""Enough to break ties between pixels in favour of those that come nearer to f."""
WITHIN = (1, 2, 3)
"""A window's dimensions in [B, C, h, w]."""
CONVERGED = 0.02
"""Largest violation, in levels, at which the continuous problem counts as solved."""


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
    """Whether combinations of steps are tried where few coordinates stay wrong, see `neighbour_search`."""


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
        repair_from = 0 if isinstance(problem.offsets, Tensor) else REPAIR_FROM
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
        if not isinstance(problem.offsets, Tensor) and self.effort.passes >= REPAIR_FROM:
            self._repair(problem, solution, penalty)
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
        for _ in range(SETTLING):
            tried = (change + problem.offsets).round_()
            coordinates = problem.a.coordinates(tried)
            outside = problem.penalty(coordinates)
            rounded = torch.where((outside < penalty)[:, None, None, None], tried, rounded)
            penalty = torch.minimum(outside, penalty)
            if not penalty.any():
                break
            back = problem.a.precondition(problem.excess(coordinates, TIGHTER))
            change = problem.a.adjoint(-back, change).clamp_(problem.floor, problem.ceiling)
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
