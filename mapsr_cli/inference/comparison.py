"""Does what a file stores give its original back? Counted sample by sample, in double precision."""

from dataclasses import replace

import torch
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging import Picture
from mapsr_cli.inference.jpeg_evidence import compare_cells
from mapsr_cli.operators import (
    BAND_ROWS,
    Agreement,
    AnyKernel,
    Consistency,
    ResizingKernel,
    SeparableKernel,
    downsampling,
    make_strips,
    to_levels,
)


def downscaled(hr: Tensor, kernel: AnyKernel, peak: int) -> Tensor:
    """Compute A(HR), clipped and rounded as in double precision: levels [C, H, W] → [C, h, w] int32.

    Goes strip by strip. At 8 bits float32 settles nearly every sample; a strip where it does not is computed again.
    """
    size, doubt = (hr.shape[-2], hr.shape[-1]), _float32_error(kernel, peak)
    strips = make_strips(downsampling(kernel, size, torch.float64))
    quick = None if doubt is None else make_strips(downsampling(kernel, size, torch.float32))
    whole = torch.empty(len(hr), *strips.op.lr_size, dtype=torch.int32)
    for part in strips.plan:
        small = None if quick is None else quick.down(part, lambda rows: hr[:, rows].float())
        if small is None or bool(_near_a_boundary(small, doubt or 0.0, peak).any()):
            small = strips.down(part, lambda rows: hr[:, rows].double())
        whole[:, part] = to_levels(small, peak).int()
    return whole


def _float32_error(kernel: AnyKernel, peak: int) -> float | None:
    """Bound the error of A of whole levels in float32, in levels; None where float32 saves nothing."""
    if peak > 255 or not isinstance(kernel, SeparableKernel | ResizingKernel):
        return None
    taps, gain = kernel.most_taps, kernel.most_gain
    operations = 2 * taps + 2
    return 2 * operations * torch.finfo(torch.float32).eps * peak * gain**2


def _near_a_boundary(y: Tensor, distance: float, peak: int) -> Tensor:
    """Find where y, within that distance, could be rounded to another level."""
    inside = y.clamp(0, peak)
    return ((inside - inside.floor()) - 0.5).abs_() <= distance


def downscale_picture(picture: Picture, kernel: AnyKernel) -> Picture:
    """Apply A to every stored sample, colour and alpha alike."""

    def small(levels: Tensor) -> Tensor:
        return downscaled(levels, kernel, picture.peak).to(levels.dtype)

    alpha = None if picture.alpha is None else small(picture.alpha)
    return replace(picture, levels=small(picture.levels), alpha=alpha)


def difference(hr: Tensor, lr: Tensor, kernel: AnyKernel, peak: int) -> Tensor:
    """Compute A(HR), clipped and rounded, less LR: levels [C, H, W] and [C, h, w] → [C, h, w] int32."""
    off = downscaled(hr, kernel, peak)
    for rows, original in zip(torch.split(off, BAND_ROWS, 1), torch.split(lr, BAND_ROWS, 1), strict=True):
        rows -= original.int()
    return off


def compare(hr: Picture, lr: Picture, kernel: AnyKernel) -> tuple[Agreement, Tensor]:
    """Compare A of HR's stored samples with what LR says: its levels, or of a JPEG with its coefficients, its cells.

    Also returns how far samples are off [S, h, w], in levels, or `compare_cells`' steps. Raises ImageError where the
    two differ in kind.
    """
    return compare_levels(hr, lr, kernel) if lr.jpeg is None else compare_cells(hr, lr, lr.jpeg, kernel)


def compare_levels(hr: Picture, lr: Picture, kernel: AnyKernel) -> tuple[Consistency, Tensor]:
    """Compare A of HR's stored samples, rounded, with LR's; also returns the differences [S, h, w] in levels.

    S counts colour samples, then alpha. The colour of fully transparent LR pixels is not counted (and its difference
    is 0): nobody sees it, and keeping it would tint what shows. LR counts as HR stores it: grey as three equal samples,
    alpha that is opaque throughout only where HR has any (codecs drop it, or add it). Where LR is taken to be noisy,
    its colour may be off by `Picture.reach`, and such differences are 0. Raises ImageError where the two
    differ in kind otherwise.
    """
    lr = lr.as_kind(len(hr.levels), hr.alpha is not None)
    if (hr.peak, len(hr.levels), hr.alpha is None) != (lr.peak, len(lr.levels), lr.alpha is None):
        raise ImageError("they differ in channels or depth: is one grey and the other not?")
    off = difference(hr.levels, lr.levels, kernel, lr.peak)
    beyond = off * (off.abs() > lr.reach) if lr.reach else off
    if hr.alpha is None or lr.alpha is None:
        return Consistency.of(off, lr.peak, lr.reach), beyond
    shown = lr.alpha.int() > 0
    alpha_off = difference(hr.alpha, lr.alpha, kernel, lr.peak)
    colour = Consistency.of(off[shown.expand_as(off)], lr.peak, lr.reach)
    return colour + Consistency.of(alpha_off, lr.peak), torch.cat([beyond * shown, alpha_off])
