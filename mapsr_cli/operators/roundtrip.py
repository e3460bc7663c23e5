"""An image of whole levels inside its range whose A y satisfies the evidence: the round trip through a saved file.

The projection moves A f into the evidence's set C, but a file stores whole levels between 0 and `peak`. Rounding alone
moves A f by a small fraction of a level; it is clipping that takes it out of C, near white and black. So f is clipped
and rounded, and only where that violates the evidence is a window around it solved again (see `windows`), until nothing
is left. With the cube of a lossless file, A y is then rounded to the file's levels bit for bit.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mapsr_cli.errors import UsageError
from mapsr_cli.operators.base import Downsampling
from mapsr_cli.operators.best_approximation import SIDE, BestApproximation, local_mean
from mapsr_cli.operators.evidence import Evidence
from mapsr_cli.operators.levels import Levels, to_levels
from mapsr_cli.operators.resizing import AnyKernel
from mapsr_cli.operators.window_problem import Effort
from mapsr_cli.operators.window_solver import WindowSolver
from mapsr_cli.operators.windows import Solver, Windows


@dataclass(frozen=True)
class MendingStage:
    """One stage of a round trip: it deals with what the one before left wrong."""

    effort: Effort
    """How much work each window gets."""
    tries: int
    """Windows that may be solved around one coordinate."""
    expected: float = 1.0
    """Share of what is wrong that it must mend for the next stage to follow, where more than HOPELESS is left."""


STAGES = (
    MendingStage(Effort(window=24, passes=20, slack=0.25), tries=1, expected=0.1),
    MendingStage(Effort(window=24, passes=100, slack=0.25, combined=True), tries=1),
    MendingStage(Effort(window=32, passes=300, slack=0.38, combined=True, last_resort=True), tries=2),
    MendingStage(Effort(window=48, passes=800, slack=0.45, farthest=64.0, combined=True, last_resort=True), tries=1),
)
"""In their order. The first mends nearly all of a photograph."""
LOCAL_STAGES = tuple(
    MendingStage(
        Effort(window=32, passes=800, slack=slack, farthest=64.0, combined=True, last_resort=True, local=True), tries=1
    )
    for slack in (0.42, 0.3)
)
"""What follows below a ratio of 2, where rounding moves A y most. A window takes a second or so."""
FEW = 16
"""Coordinates. Where more are left, there are none of these stages."""
HOPELESS = 0.02
"""Share of coordinates. Where more are still wrong although a stage has tried each, parts of the original are no
downscaled picture (1-bit material, rendered text): those get their best approximation, and no further stage."""
DENSE = 0.15
"""Share of wrong coordinates within 13 × 13 LR pixels from which on such a part is recognised."""
ROUNDS = 60
"""Turns of disjoint windows per stage, at most."""

MARGIN = 0.01
"""Levels by which A y must stay inside the evidence's bounds, so that any other implementation of A rounds alike."""

MendingProgress = Callable[[int, int], None]
"""Called with (coordinates mended, coordinates that were wrong)."""


@dataclass(frozen=True)
class RoundTrip:
    """The image of whole levels, and how much work it took."""

    image: Tensor
    """[C, H, W], whole levels 0 … peak, in the dtype of f."""
    passes: int
    """Dual passes allowed to the last windows needed; 0 where rounding alone was enough."""
    windows: int
    """Windows solved."""
    remaining: int
    """Coordinates of A y that violate the evidence: of a lossless file, LR samples that are not given back."""
    given_up: int
    """Coordinates of parts that no image satisfies, which got their best approximation."""


def round_trip(
    f: Tensor, evidence: Evidence, op: Downsampling, peak: int, progress: MendingProgress | None = None
) -> RoundTrip:
    """Round f [C, H, W] to whole levels 0 … peak whose A y satisfies evidence about [C, h, w], moving f little.

    A f should satisfy it already; the evidence is in levels. float32 serves 8 bits, float64 16 bits. Stops when the
    evidence is satisfied; otherwise reports in `remaining` for how many coordinates no such image was found. Raises
    UsageError where sizes disagree.
    """
    x = evidence.x
    if tuple(f.shape[-2:]) != op.hr_size or tuple(x.shape[-2:]) != op.lr_size or f.dim() != 3 or x.dim() != 3:
        raise UsageError(f"sizes disagree: f {tuple(f.shape)}, x {tuple(x.shape)}, A {op.hr_size} → {op.lr_size}")
    if op.hr_size != op.kernel.hr_size(op.lr_size):
        raise UsageError(f"an HR size of {op.hr_size} is not a multiple of the scale of {op.kernel.describe()}")
    levels = Levels.rounded(f, peak)
    mended = mend(levels, evidence, op.down(to_levels(f, peak)) - x, op.kernel, progress)
    image = levels.image.to(f.dtype)
    remaining = int((~evidence.holds(op.down(image))).sum())  # fewer than are wrong, which keeps a margin
    return RoundTrip(image, mended.passes, mended.windows, remaining, mended.given_up)


@dataclass(frozen=True)
class Mended:
    """How much work mending took: fields as in RoundTrip."""

    passes: int
    windows: int
    given_up: int
    """Coordinates of parts that no image satisfies, which got their best approximation."""


def mend(
    levels: Levels,
    evidence: Evidence,
    residual: Tensor,
    kernel: AnyKernel,
    progress: MendingProgress | None = None,
    keep: bool = False,
) -> Mended:
    """Make the round trip in place: `levels` as rounded and `residual` = A of them − x [C, h, w] are kept up to date.

    Works in windows around what violates the evidence, so an image need not exist in floating point as a whole. With
    `keep`, coordinates that satisfy the evidence may stay at its edge; otherwise all of a window are moved inwards,
    where rounding does no harm.
    """
    repair = _Repair(levels, evidence.shrunk(MARGIN), residual, kernel, progress, keep)
    for stage in STAGES:
        before = repair.count
        repair.mend(stage.effort, stage.tries)
        if repair.count > max(HOPELESS * residual.numel(), (1 - stage.expected) * before):
            repair.approximate()
            if repair.count > HOPELESS * residual.numel():
                break
    for stage in LOCAL_STAGES:
        if kernel.hr_pixels(1) < 4 and repair.count <= FEW:
            repair.mend(stage.effort, stage.tries)
    if repair.approximate():
        repair.mend(STAGES[0].effort, STAGES[0].tries)
    return Mended(
        repair.passes, repair.solved, 0 if repair.given_up is None else int(torch.count_nonzero(repair.given_up))
    )


class _Repair:
    """The state of one round trip: the levels and what is wrong with them."""

    def __init__(
        self,
        levels: Levels,
        evidence: Evidence,
        residual: Tensor,
        kernel: AnyKernel,
        progress: MendingProgress | None,
        keep: bool,
    ) -> None:
        self.keep = keep
        self.levels, self.evidence, self.residual = levels, evidence, residual
        self.kernel, self.progress = kernel, progress
        self.wrong = torch.empty_like(residual, dtype=torch.bool)
        """[C, h, w], kept up to date."""
        self.given_up: Tensor | None = None
        """[C, h, w]: coordinates of which only the best approximation is asked; None: there are none."""
        for band, said in evidence.bands():
            self.wrong[:, band] = said.violated(residual[None, :, band])[0]
        self.passes = self.solved = 0
        self.at_first = self.count

    @property
    def count(self) -> int:
        """Coordinates that are wrong and not given up."""
        return int(torch.count_nonzero(self._open))  # a sum would convert all to int64 first

    @property
    def _open(self) -> Tensor:
        """Mark what is wrong and not given up: [C, h, w], not to be changed."""
        return self.wrong if self.given_up is None else self.wrong & ~self.given_up

    def mend(self, effort: Effort, tries: int) -> None:
        """Solve windows around what is wrong, until nothing is or all of it was tried so often."""
        solver = WindowSolver(self.kernel, effort, self.levels.peak, self.evidence.block)
        self._run(solver, lambda tried: (tried < tries).logical_and_(self._open))

    def approximate(self) -> bool:
        """Give up where wrong coordinates are dense, for the best approximation there; return whether there was any."""
        if self.count <= DENSE * SIDE**2:  # too few to be dense anywhere
            return False
        dense = self._dense()
        if not dense.any():
            return False
        self.given_up = dense if self.given_up is None else self.given_up | dense
        self._run(BestApproximation(), lambda tried: dense & (tried < 1), dense)
        return True

    def _dense(self) -> Tensor:
        """Mark the coordinates [C, h, w] around which many are wrong that are not yet given up."""
        wrong = self._open.any(0, True) if self.evidence.couples_channels else self._open
        return (local_mean(wrong.float()) > DENSE).expand_as(self.wrong)

    def _run(self, solver: Solver, wanted: Callable[[Tensor], Tensor], movable: Tensor | None = None) -> None:
        """Solve disjoint windows, in turns, around coordinates `wanted` for how often each was tried: [C, h, w]."""
        tried = torch.zeros_like(self.wrong, dtype=torch.uint8)
        if not wanted(tried).any():
            return
        windows = Windows(self.kernel, solver, self.evidence, self.levels.peak, self.keep)
        for _ in range(ROUNDS):
            spots = windows.place(wanted(tried))
            if not spots:
                return
            windows.solve(spots, self.levels, self.residual, self.wrong, movable)
            for spot in spots:
                windows.core(tried, spot).add_(1)
            self.passes, self.solved = max(self.passes, solver.effort.passes), self.solved + len(spots)
            if self.progress is not None:
                self.progress(max(self.at_first - self.count, 0), self.at_first)
