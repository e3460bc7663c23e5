"""An integer image inside its range that A, rounded, takes back to x bit for bit: the round trip through a saved file.

The projection gives A f = x, but a file stores whole levels between 0 and `peak`. Rounding alone moves A f by a small
fraction of a level; it is clipping that breaks the promise, near white and black. So f is clipped and rounded, and
only where that leaves an LR sample wrong is a window around it solved again (see `windows`), until nothing is left.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mapsr_cli.errors import UsageError
from mapsr_cli.operators.base import Downsampling
from mapsr_cli.operators.window_solver import Effort
from mapsr_cli.operators.windows import Windows

MARGIN = 0.01
"""Levels by which A y must stay clear of a rounding boundary, so that any other implementation of A rounds alike."""

EFFORTS = (
    Effort(window=24, passes=100, slack=0.25),
    Effort(window=32, passes=300, slack=0.38),
    Effort(window=48, passes=800, slack=0.45),
)
"""Tried in turn: the next only where the one before it left something wrong."""
HOPELESS = 0.02
"""Share of samples. Where so many are still wrong after each was tried once, the original is no picture that A makes
(rendered text, say, sharper than any downscaled image): nothing could mend it, and no more time goes into it."""
TRIES = 3
"""Windows that a sample may stand in the middle of, per effort."""
ROUNDS = 60
"""Turns of disjoint windows per effort, at most."""

Progress = Callable[[int, int], None]
"""Called with (samples mended, samples that were wrong)."""


@dataclass(frozen=True)
class RoundTrip:
    """The integer image and what it took."""

    image: Tensor
    """[C, H, W], whole levels 0 … peak, in the dtype of f."""
    passes: int
    """Dual passes allowed to the last windows needed; 0 where rounding alone was enough."""
    windows: int
    """Windows solved."""
    remaining: int
    """LR samples that the image does not give back; 0 means bit-exact."""


@dataclass(frozen=True)
class Consistency:
    """How well A y, clipped and rounded as a file is, gives x back."""

    bit_exact: float
    """Fraction of LR samples given back bit for bit."""
    worst_levels: int
    """Largest difference of any sample, in levels."""
    mse: float
    """Mean squared difference of the rounded A y from x, on a 0 … 1 scale."""

    @property
    def holds(self) -> bool:
        """Whether every sample is given back."""
        return self.worst_levels == 0

    @property
    def lr_psnr(self) -> float | None:
        """PSNR of the rounded A y against x in dB; None where they are equal."""
        return None if self.mse == 0 else -10 * torch.log10(torch.tensor(self.mse, dtype=torch.float64)).item()


def to_levels(y: Tensor, peak: int) -> Tensor:
    """Clip to 0 … peak and round to whole levels, as saving a file does."""
    return y.clamp(0, peak).round()


def consistency(y: Tensor, x: Tensor, op: Downsampling, peak: int) -> Consistency:
    """Compare A y with x, both in levels 0 … peak: y [C, H, W], x [C, h, w]."""
    difference = (to_levels(op.down(y), peak) - x).double()
    return Consistency(
        bit_exact=(difference == 0).double().mean().item(),
        worst_levels=int(difference.abs().max().item()),
        mse=(difference / peak).square().mean().item(),
    )


def bounds(x: Tensor, peak: int) -> tuple[Tensor, Tensor]:
    """Where A y − x may lie so that A y, clipped and rounded, is x: half a level less the margin; no bound beyond the
    range, where saving clips anyway."""
    half = torch.full_like(x, 0.5 - MARGIN)
    infinite = torch.full_like(x, float("inf"))
    return torch.where(x <= 0, -infinite, -half), torch.where(x >= peak, infinite, half)


def round_trip(f: Tensor, x: Tensor, op: Downsampling, peak: int, progress: Progress | None = None) -> RoundTrip:
    """Round f [C, H, W] to whole levels 0 … peak such that A, rounded, gives x [C, h, w] back, moving f little.

    f should already satisfy A f = x. x must hold whole levels 0 … peak. float32 serves 8 bits, float64 16 bits.
    Stops when exact; otherwise reports in `remaining` how many LR samples no such image was found for.
    """
    if tuple(f.shape[-2:]) != op.hr_size or tuple(x.shape[-2:]) != op.lr_size or f.dim() != 3 or x.dim() != 3:
        raise UsageError(f"sizes disagree: f {tuple(f.shape)}, x {tuple(x.shape)}, A {op.hr_size} → {op.lr_size}")
    if op.hr_size != (op.kernel.scale * op.lr_size[0], op.kernel.scale * op.lr_size[1]):
        raise UsageError(f"an HR size of {op.hr_size} is not a multiple of the scale, {op.kernel.scale}")
    repair = _Repair(f, x, op, peak, progress)
    repair.make(EFFORTS[0], tries=1)
    for effort in EFFORTS:
        if repair.hopeless:
            break
        repair.make(effort, TRIES)
    return RoundTrip(repair.y, repair.passes, repair.solved, repair.remaining)


class _Repair:
    """The state of one round trip: the integer image y and what is wrong with it."""

    def __init__(self, f: Tensor, x: Tensor, op: Downsampling, peak: int, progress: Progress | None) -> None:
        self.f, self.x, self.op, self.peak, self.progress = f, x, op, peak, progress
        self.low, self.high = bounds(x, peak)
        self.y = to_levels(f, peak)
        self.passes = self.solved = 0
        self._look()
        self.at_first = int(self.wrong.sum())

    def _look(self) -> None:
        self.lr = self.op.down(self.y)
        self.residual = self.lr - self.x
        self.wrong = (self.residual < self.low) | (self.residual > self.high)

    @property
    def remaining(self) -> int:
        """Samples that y does not give back: fewer than `wrong`, which keeps a margin."""
        return int((to_levels(self.lr, self.peak) != self.x).sum())

    @property
    def hopeless(self) -> bool:
        return float(self.wrong.float().mean()) > HOPELESS

    def make(self, effort: Effort, tries: int) -> None:
        """Turns of disjoint windows around what is wrong, until nothing is, or all of it has been tried so often."""
        if not self.wrong.any():
            return
        windows = Windows(self.op.kernel, effort, self.op.lr_size, self.peak, self.f.dtype, self.f.device)
        tried = torch.zeros_like(self.wrong, dtype=torch.uint8)
        for _ in range(ROUNDS):
            spots = windows.place(self.wrong & (tried < tries))
            if not spots:
                return
            windows.solve(spots, self.f, self.y, self.residual, self.low, self.high)
            for spot in spots:
                windows.core(tried, spot).add_(1)
            self.passes, self.solved = max(self.passes, effort.passes), self.solved + len(spots)
            self._look()
            if self.progress is not None:
                self.progress(max(self.at_first - int(self.wrong.sum()), 0), self.at_first)
