"""Does what a file stores give its original back? Counted sample by sample, in double precision."""

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging import Picture
from mapsr_cli.operators import Consistency, Kernel, SeparableKernel, downsampling, make_strips, to_levels


@dataclass(frozen=True)
class Tally:
    """Samples counted; tallies add up."""

    samples: int = 0
    """LR samples looked at."""
    right: int = 0
    """Those given back bit for bit."""
    worst: int = 0
    """Largest difference in levels."""
    squared: float = 0.0
    """Sum of squared differences on a 0 … 1 scale."""

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            self.samples + other.samples,
            self.right + other.right,
            max(self.worst, other.worst),
            self.squared + other.squared,
        )

    @property
    def consistency(self) -> Consistency:
        """As shares and means; a tally of nothing holds."""
        count = max(self.samples, 1)
        return Consistency(self.right / count if self.samples else 1.0, self.worst, self.squared / count)


def downscaled(hr: Tensor, kernel: Kernel, peak: int) -> Tensor:
    """A(HR), clipped and rounded as in double precision: levels [C, H, W] → [C, h, w] int32, strip by strip.

    At 8 bits float32 settles nearly every sample; a strip where it does not is computed once more.
    """
    size, doubt = (hr.shape[-2], hr.shape[-1]), _float32_error(kernel, peak)
    strips = make_strips(downsampling(kernel, size, torch.float64))
    quick = None if doubt is None else make_strips(downsampling(kernel, size, torch.float32))
    made = []
    for part in strips.plan:
        small = None if quick is None else quick.down(part, lambda rows: hr[:, rows].float())
        if small is None or bool(_near_a_boundary(small, doubt or 0.0, peak).any()):
            small = strips.down(part, lambda rows: hr[:, rows].double())
        made.append(to_levels(small, peak).int())
    return torch.cat(made, dim=1)


def _float32_error(kernel: Kernel, peak: int) -> float | None:
    """More levels than A of whole levels may be off in float32; None where it is not worth asking."""
    if peak > 255 or not isinstance(kernel, SeparableKernel):
        return None
    operations, gain = 2 * len(kernel.taps) + 2, sum(map(abs, kernel.taps))
    return 2 * operations * torch.finfo(torch.float32).eps * peak * gain**2


def _near_a_boundary(y: Tensor, distance: float, peak: int) -> Tensor:
    """Where y, within that distance, could be rounded to another level."""
    inside = y.clamp(0, peak)
    return ((inside - inside.floor()) - 0.5).abs_() <= distance


def downscale_picture(picture: Picture, kernel: Kernel) -> Picture:
    """A of every stored sample, colour and alpha alike."""

    def small(levels: Tensor) -> Tensor:
        return downscaled(levels, kernel, picture.peak).to(levels.dtype)

    alpha = None if picture.alpha is None else small(picture.alpha)
    return replace(picture, levels=small(picture.levels), alpha=alpha)


def difference(hr: Tensor, lr: Tensor, kernel: Kernel, peak: int) -> Tensor:
    """A(HR), clipped and rounded, less LR: levels [C, H, W] and [C, h, w] → [C, h, w] int32."""
    return downscaled(hr, kernel, peak) - lr.int()


def tally(off: Tensor, peak: int, counted: Tensor | None = None) -> Tally:
    """Count differences [C, h, w] in levels, only where the mask `counted` [1, h, w] says so."""
    total = Tally()
    for plane in off:
        part = plane if counted is None else plane[counted[0]]
        worst = int(part.abs().max()) if part.numel() else 0
        wrong = int(torch.count_nonzero(part))
        squared = (part.double() / peak).square().sum().item()
        total += Tally(part.numel(), part.numel() - wrong, worst, squared)
    return total


def compare(hr: Picture, lr: Picture, kernel: Kernel) -> tuple[Tally, Tensor]:
    """What HR's stored samples, through A, make of LR's: the tally, and the differences [S, h, w] in levels.

    S counts colour samples, then alpha. The colour of fully transparent LR pixels is not counted (and its difference
    is 0): nobody sees it, and keeping it would tint what shows. LR counts as HR stores it: grey as three equal samples,
    alpha that is opaque throughout only where HR has any (codecs drop it, or add it). Raises ImageError where the two
    differ in kind otherwise.
    """
    lr = lr.as_kind(len(hr.levels), hr.alpha is not None)
    if (hr.peak, len(hr.levels), hr.alpha is None) != (lr.peak, len(lr.levels), lr.alpha is None):
        raise ImageError("they differ in channels or depth: is one grey and the other not?")
    off = difference(hr.levels, lr.levels, kernel, lr.peak)
    if hr.alpha is None or lr.alpha is None:
        return tally(off, lr.peak), off
    shown = lr.alpha.int() > 0
    alpha_off = difference(hr.alpha, lr.alpha, kernel, lr.peak)
    counted = tally(off, lr.peak, shown) + tally(alpha_off, lr.peak)
    return counted, torch.cat([off * shown, alpha_off])
