"""Windows over an image: where they go, what they may change, and how they are cut out and put back."""

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.operators.evidence import Evidence
from mapsr_cli.operators.jpeg_cells import rounding_margin
from mapsr_cli.operators.kernels import Kernel
from mapsr_cli.operators.levels import Levels, Place
from mapsr_cli.operators.neighbour_search import search_neighbours
from mapsr_cli.operators.resizing import AnyKernel
from mapsr_cli.operators.window_map import SOFTNESS, WindowCoordinates, resized_window_map, window_map
from mapsr_cli.operators.window_problem import Effort, WindowChange, WindowProblem

BATCH = 32
"""Windows solved at once."""
COMPUTED_IN = torch.float32
"""Changes of an image are small numbers, also at 16 bits."""
SLIP = 0.25
"""Levels by which what frozen pixels keep wrong may become more so: rounding does as much; another window mends it."""


class Solver(Protocol):
    """Decides what is to become of windows."""

    @property
    def effort(self) -> Effort:
        """How much work a window gets."""

    def solve(self, problem: WindowProblem) -> WindowChange:
        """Find the windows' changes."""


class Spot(NamedTuple):
    """A window's place: group of channels, and first LR row and column."""

    group: int
    row: int
    col: int


class Windows:
    """Windows of one size over one image.

    A window takes one channel, or all of them where the evidence couples them, and begins where a block of it does.
    """

    def __init__(self, kernel: AnyKernel, solver: Solver, evidence: Evidence, peak: int, keep: bool = False) -> None:
        """Take `keep` as `mend` has it."""
        self.keep = keep
        self.kernel, self.peak, self.evidence, self.device = kernel, peak, evidence, evidence.x.device
        channels, *lr_size = evidence.x.shape
        self.channels = channels if evidence.couples_channels else 1
        """Of a window."""
        self.lr_size = lr_size[0], lr_size[1]
        self.margin = kernel.border_width
        # A core of at least 8 LR pixels, which holds the whole block of a coordinate that the window is laid around.
        block, cut = evidence.block, 2 * self.margin
        side = max(solver.effort.window, 2 * cut + 8, self._whole(cut + block - 1) + block + cut)
        side = self._whole(side + block - 1)
        self.size = (self._side(side, lr_size[0]), self._side(side, lr_size[1]))
        self.cell = side - 2 * self._whole(cut + block - 1)
        self.solver = solver
        self._known_masks: dict[tuple[tuple[int, int], ...], tuple[Tensor, Tensor]] = {}

    def _whole(self, length: int) -> int:
        """Return the length of the whole blocks within."""
        return length - length % self.evidence.block

    def _side(self, wanted: int, length: int) -> int:
        """Return a window's side: such that one that begins with a block can end with the image."""
        return min(wanted + (length - wanted) % self.evidence.block, length)

    def _any_window(self) -> Evidence:
        return self.evidence.at([(slice(0, self.channels), slice(0, self.size[0]), slice(0, self.size[1]))])

    @cached_property
    def _shared_map(self) -> WindowCoordinates:
        """L A of windows wherever they lie, of a kernel whose A is the same everywhere."""
        assert isinstance(self.kernel, Kernel)
        a = window_map(self.kernel, self.size, SOFTNESS / self.peak, COMPUTED_IN, self.device)
        return WindowCoordinates(a, self._any_window())

    def _map_of(self, spots: list[Spot]) -> WindowCoordinates:
        """Return L A of the windows at `spots`."""
        if isinstance(self.kernel, Kernel):
            return self._shared_map
        lr, hr = [self._lr(spot)[1:] for spot in spots], [self._hr_area(spot) for spot in spots]
        a = resized_window_map(self.kernel, lr, hr, SOFTNESS / self.peak, COMPUTED_IN, self.device)
        return WindowCoordinates(a, self._any_window())

    def place(self, wrong: Tensor) -> list[Spot]:
        """Place disjoint windows around wrong coordinates [C, h, w]; those that would overlap wait for another turn."""
        if self.channels > 1:
            wrong = wrong.any(0, keepdim=True)
        taken = np.zeros(wrong.shape, dtype=bool)
        spots = []
        for group, i, j in self._first_of_each_cell(wrong):
            if self.solver.effort.regions:
                i, j = (at - at % self.cell + self.cell // 2 for at in (i, j))
            row, col = (self._start(at, axis) for axis, at in enumerate((i, j)))
            area = (group, slice(row, row + self.size[0]), slice(col, col + self.size[1]))
            if not taken[area].any():
                taken[area] = True
                spots.append(Spot(group, row, col))
        return spots

    def _start(self, middle: int, axis: int) -> int:
        """Return where the window around an LR index begins: such that its core holds the index's whole block."""
        size = self.size[axis]
        before = min(size // 2, self._whole(size) - 2 * self.margin - self.evidence.block)
        return min(max(self._whole(middle) - self._whole(before), 0), self.lr_size[axis] - size)

    def _first_of_each_cell(self, wrong: Tensor) -> Iterator[tuple[int, int, int]]:
        """Yield group, row and column of one wrong coordinate in each cell that has any, from top to bottom."""
        for group, plane in enumerate(wrong.cpu().numpy()):
            rows, cols = plane.nonzero()
            cells = (rows // self.cell) * plane.shape[1] + cols // self.cell
            for first in np.sort(np.unique(cells, return_index=True)[1]):
                yield group, int(rows[first]), int(cols[first])

    def core(self, t: Tensor, spot: Spot) -> Tensor:
        """Return the part of t [C, h, w] that a window at `spot` controls: no frozen pixel affects it."""
        (top, bottom), (left, right) = (self._controlled(start, axis) for axis, start in enumerate(spot[1:]))
        return t[self._channels(spot), spot.row + top : spot.row + bottom, spot.col + left : spot.col + right]

    def solve(
        self, spots: list[Spot], levels: Levels, residual: Tensor, wrong: Tensor, movable: Tensor | None = None
    ) -> None:
        """Solve the windows at `spots` (disjoint); what improves goes into the levels, residual = A y − x and wrong.

        Where `movable` [C, h, w] is given, only the pixels of its LR pixels may change.
        """
        for at in range(0, len(spots), BATCH):
            batch = spots[at : at + BATCH]
            images, problem = self._gather(batch, levels, residual, movable)
            changes, aims, better = self.solver.solve(problem)
            if self.solver.effort.combined:
                changes = self._combined(problem, changes * better[:, None, None, None])
                better = problem.better(problem.a.coordinates(changes))
            kept = better.nonzero()[:, 0]
            if len(kept) == 0:
                continue
            batch = [batch[index] for index in kept.tolist()]
            images, changes, aims, before = (t[kept] for t in (images, changes, aims, problem.residual))
            levels.scatter([self._hr(spot) for spot in batch], images + changes, aims - changes)
            after = (before + problem.a.select(kept).down(changes)).to(residual.dtype)
            places = [self._lr(spot) for spot in batch]
            still_wrong = self.evidence.at(places).violated(after)
            for spot, place, part, mask in zip(batch, places, after.unbind(), still_wrong.unbind(), strict=True):
                residual[place] = part
                seen = [slice(0, self._free(start, axis, 0)[1]) for axis, start in enumerate(spot[1:])]
                wrong[place][:, seen[0], seen[1]] = mask[:, seen[0], seen[1]]

    def _combined(self, problem: WindowProblem, changes: Tensor) -> Tensor:
        """Search for combinations of steps. Those that leave something wrong would make it harder to replace a window
        by a better solution: they are for the last stages.
        """
        searched = changes.clone()
        search_neighbours(problem, searched)
        if self.solver.effort.last_resort:
            return searched
        right = problem.penalty(problem.a.coordinates(searched)) == 0
        return torch.where(right[:, None, None, None], searched, changes)

    def _channels(self, spot: Spot) -> slice:
        return slice(spot.group * self.channels, (spot.group + 1) * self.channels)

    def _lr(self, spot: Spot) -> tuple[slice, slice, slice]:
        rows, cols = (slice(start, start + n) for start, n in zip(spot[1:], self.size, strict=True))
        return self._channels(spot), rows, cols

    def _hr(self, spot: Spot) -> Place:
        return self._channels(spot), *self._hr_area(spot)

    def _hr_area(self, spot: Spot) -> tuple[slice, slice]:
        """Return the HR rows and columns of a window."""
        _, rows, cols = self._lr(spot)
        return self.kernel.hr_window(rows, 0), self.kernel.hr_window(cols, 1)

    def _free(self, start: int, axis: int, margin: int) -> tuple[int, int]:
        """Return first and last (exclusive) LR index `margin` from a cut; the image's border is no cut.

        A block that a cut divides counts as beyond it.
        """
        n = self.size[axis]
        first = 0 if start == 0 else margin
        return first, max(n if self._ends(start, axis) else self._whole(n) - margin, first)

    def _ends(self, start: int, axis: int) -> bool:
        """Return whether a window ends with the image."""
        return start + self.size[axis] == self.lr_size[axis]

    def _controlled(self, start: int, axis: int) -> tuple[int, int]:
        """Return first and last (exclusive) LR index of the whole blocks that no frozen pixel affects."""
        first, last = self._free(start, axis, 2 * self.margin)
        first = self._whole(first + self.evidence.block - 1)
        return first, max(last if self._ends(start, axis) else self._whole(last), first)

    def _masks(self, spot: Spot) -> tuple[Tensor, Tensor]:
        """Return the pixels that may move, and the coordinates that no frozen pixel affects: [H, W] and [h, w]."""
        pixels, samples = [], []
        for axis, (start, window) in enumerate(zip(spot[1:], self._hr_area(spot), strict=True)):
            first, last = self._free(start, axis, self.margin)
            free = self.kernel.hr_range(slice(start + first, start + last), axis)
            pixels.append((free.start - window.start, free.stop - window.start))
            samples.append(self._controlled(start, axis))
        known = (*pixels, *samples)
        if known not in self._known_masks:
            whole = tuple(window.stop - window.start for window in self._hr_area(spot))
            self._known_masks[known] = self._mask(whole, pixels), self._mask(self.size, samples)
        return self._known_masks[known]

    def _offsets(self, spots: list[Spot], levels: Levels, like: Tensor) -> Tensor | float:
        if not levels.ordered:
            return 0.0
        return torch.stack([levels.offsets(*self._hr_area(spot), like) for spot in spots]).unsqueeze(1)

    def _mask(self, size: tuple[int, ...], inside: list[tuple[int, int]]) -> Tensor:
        mask = torch.zeros(size, dtype=torch.bool)
        mask[tuple(slice(*ends) for ends in inside)] = True
        return mask.to(self.device)

    def _gather(
        self, spots: list[Spot], levels: Levels, residual: Tensor, movable: Tensor | None
    ) -> tuple[Tensor, WindowProblem]:
        """Cut the windows out: the image [B, C, H, W], and the problem to be solved.

        Pixels near a cut are frozen, so the window's own A, which reflects there, is exact for whatever moves.
        Coordinates near a cut that frozen pixels keep wrong may stay as wrong as they are.
        """
        images, ahead = levels.gather([self._hr(s) for s in spots], COMPUTED_IN)
        places = [self._lr(s) for s in spots]
        differences = torch.stack([residual[place] for place in places]).to(COMPUTED_IN)
        evidence = self.evidence.at(places)
        now = evidence.coordinates(differences)
        low, high = (bound.to(COMPUTED_IN) for bound in evidence.tolerance())
        masks = zip(*(self._masks(s) for s in spots), strict=True)
        free, controlled = (torch.stack(mask).unsqueeze(1) for mask in masks)
        if self.solver.effort.regions:
            controlled = torch.ones_like(controlled)
        if movable is not None:
            chosen = torch.stack([movable[place] for place in places]).to(COMPUTED_IN)
            free = free & (functional.interpolate(chosen, images.shape[-2:]) > 0)
        tighten = 0.5 - self.solver.effort.slack
        aims = low + tighten, high - tighten
        if self.evidence.block > 1:  # whose cells are mostly wider than what rounding does
            lower, upper = evidence.shrunk(max(tighten, rounding_margin(self.kernel))).tolerance()
            aims = lower.to(COMPUTED_IN), upper.to(COMPUTED_IN)
        rest: Tensor | float = 0.0
        if self.solver.effort.local:
            ahead = torch.zeros_like(ahead)
        if self.keep or self.solver.effort.local:  # what holds may stay, the rest goes to its aim
            holds = (now >= low) & (now <= high)
            rest = torch.where(holds, now, torch.clamp(now, *aims))
            aims = torch.minimum(aims[0], rest), torch.maximum(aims[1], rest)
        return (
            images,
            WindowProblem(
                f=ahead,
                floor=torch.where(free, -images, 0.0),
                ceiling=torch.where(free, self.peak - images, 0.0),
                residual=differences,
                offset=now,
                low=torch.where(controlled | (now >= low), low, now - SLIP),
                high=torch.where(controlled | (now <= high), high, now + SLIP),
                aim_low=torch.where(controlled, aims[0], torch.minimum(aims[0], now)),
                aim_high=torch.where(controlled, aims[1], torch.maximum(aims[1], now)),
                a=self._map_of(spots),
                rest=rest,
                offsets=self._offsets(spots, levels, images),
            ),
        )
