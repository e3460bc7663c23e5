"""Spectrum: an estimate shall have as much of every frequency as the image, wherever it draws it."""

import torch
from torch import Tensor

from mapsr_cli.criteria.base import Term
from mapsr_cli.errors import UsageError

BLOCK = 16
"""HR pixels a side of a window; smaller patches are one window."""
LEAST = 4
"""HR pixels a side of the smallest window."""
FLOOR = (0.5 / 255) ** 2
"""Added to a power: about what rounding to levels leaves at each frequency."""


class Spectrum(Term):
    """mean |log (P(ŷ) + (½/255)²) / (P(y) + (½/255)²)|, over the frequencies of windows of 16×16 pixels.

    P is the power at a frequency, averaged over a patch's overlapping Hann windows and its colours (Welch, 1967); white
    noise of standard deviation s has P = s² at each. The pixel shuffle of a network without noise maps makes texture of
    dots about as far apart as LR pixels, with too little at the frequency of the LR grid and too much beside it, where
    the energy of gradients is right all the same. Phases do not count, so it is not asked where texture lies.
    """

    def value(self, estimate: Tensor, truth: Tensor) -> Tensor:
        """Compute the mean over images and frequencies; rows and columns left over do not count.

        Raises UsageError for what is no image of 4×4 pixels or more.
        """
        if estimate.ndim != 4 or min(estimate.shape[-2:]) < LEAST:
            raise UsageError(f"criterion.spectrum compares images, and of at least {LEAST}×{LEAST} pixels")
        made, wanted = (_power(image) + FLOOR for image in (estimate, truth))
        return (made / wanted).log().abs().mean()


def _power(image: Tensor) -> Tensor:
    """Compute P of each image, without the mean's: [N, C, H, W] → [N, frequencies]."""
    side = min(BLOCK, *image.shape[-2:])
    profile = torch.hann_window(side + 2, periodic=False, dtype=image.dtype, device=image.device)[1:-1]
    window = torch.outer(profile, profile)
    window = window / window.square().mean().sqrt()
    stride = side // 2
    blocks = image.unfold(2, side, stride).unfold(3, side, stride)  # [N, C, rows, columns, side, side]
    weight = window / window.sum()
    blocks = (blocks - (blocks * weight).sum((-2, -1), keepdim=True)) * window
    spectrum: Tensor = torch.fft.rfft2(blocks, norm="ortho")
    power = spectrum.real.square() + spectrum.imag.square()
    return power.mean((1, 2, 3)).flatten(1)[:, 1:]
