"""An integer image inside its range that A, rounded, takes back to x bit for bit: the round trip through a saved file.

The projection gives A f = x, but a file stores whole levels between 0 and `peak`. Rounding alone moves A f by a small
fraction of a level; it is clipping that breaks the promise, near white and black. So f is clipped and rounded, and
only where that leaves an LR sample wrong is a window around it solved again (see `windows`), until nothing is left.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from mapsr_cli.errors import UsageError
from mapsr_cli.operators.downsampling import Downsampling
from mapsr_cli.operators.windows import Effort, Windows, place

MARGIN = 0.01
"""Levels by which A y must stay clear of a rounding boundary, so that any other implementation of A rounds alike."""

EFFORTS = (
    Effort(window=24, passes=100, slack=0.25),
    Effort(window=32, passes=300, slack=0.38),
    Effort(window=48, passes=800, slack=0.45),
)
"""Tried in turn: the next only where the one before it left something wrong."""
ROUNDS = 12
"""Rounds of disjoint windows per effort: neighbours in a large clipped area take turns."""


@dataclass(frozen=True)
class RoundTrip:
    """The integer image and what it took."""

    image: Tensor
    """[C, H, W], whole levels 0 … peak, in the dtype of f."""
    passes: int
    """Most dual passes that any window took; 0 where rounding alone was enough."""
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


def round_trip(f: Tensor, x: Tensor, op: Downsampling, peak: int, efforts: tuple[Effort, ...] = EFFORTS) -> RoundTrip:
    """Round f [C, H, W] to whole levels 0 … peak such that A, rounded, gives x [C, h, w] back, moving f little.

    f should already satisfy A f = x. x must hold whole levels 0 … peak. float32 serves 8 bits, float64 16 bits.
    Stops when exact; otherwise reports in `remaining` how many LR samples no such image was found for.
    """
    if tuple(f.shape[-2:]) != op.hr_size or tuple(x.shape[-2:]) != op.lr_size or f.dim() != 3 or x.dim() != 3:
        raise UsageError(f"sizes disagree: f {tuple(f.shape)}, x {tuple(x.shape)}, A {op.hr_size} → {op.lr_size}")
    if op.hr_size != (op.kernel.scale * op.lr_size[0], op.kernel.scale * op.lr_size[1]):
        raise UsageError(f"an HR size of {op.hr_size} is not a multiple of the scale, {op.kernel.scale}")
    y = to_levels(f, peak)
    low, high = bounds(x, peak)
    solved = passes = 0
    for effort in efforts:
        windows = Windows(op.kernel, effort, op.lr_size, peak, f.dtype, f.device)
        for turn in range(ROUNDS):
            residual = op.down(y) - x
            wrong = (residual < low) | (residual > high)
            if not wrong.any():
                return RoundTrip(y, passes, solved, 0)
            spots = place(wrong, windows.size, turn)
            solved, passes = solved + len(spots), max(passes, effort.passes)
            improved = windows.solve(spots, f, y, residual, low, high, peak)
            if not improved:
                break
    return RoundTrip(y, passes, solved, round((1 - consistency(y, x, op, peak).bit_exact) * x.numel()))
