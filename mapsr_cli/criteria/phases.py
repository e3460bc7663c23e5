"""Phases: an estimate's detail shall be spread over the pixel shuffle's phases as the image's is."""

import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.criteria.base import PhaseTerm
from mapsr_cli.errors import UsageError

FLOOR = (0.5 / 255) ** 2
"""Added to an energy: about what rounding to levels leaves."""


class Phases(PhaseTerm):
    """mean |c(ŷ) − c(y)|, with c = log(E + (½/255)²) less its mean over phases.

    E is the mean of squared differences at each of the scale² phases of the pixel shuffle, over a patch and its
    colours: of differences to the right, downwards, and between a pixel and the mean of its four neighbours. Texture of
    a photograph has the same E at all phases. Dots that are as far apart as LR pixels, such as a network makes by
    sharpening each of them, have up to four times as much at one phase as at another. Where their sign changes from dot
    to dot, their means are zero, and `lattice` does not see them.
    """

    name = "phases"

    def value(self, estimate: Tensor, truth: Tensor) -> Tensor:
        """Compute the mean over images, kinds of difference and phases; rows and columns left over do not count.

        Raises UsageError for what is no image of one LR pixel and a pixel around it.
        """
        if estimate.ndim != 4 or min(estimate.shape[-2:]) < self.scale + 2:
            raise UsageError("criterion.phases compares images, and of at least one LR pixel and a pixel around it")
        return (self._profile(estimate) - self._profile(truth)).abs().mean()

    def _profile(self, image: Tensor) -> Tensor:
        """Compute c of each image: [N, C, H, W] → [N, 3, scale²]."""
        pixel = image[..., 1:-1, 1:-1]
        right, down = image[..., 1:-1, 2:] - pixel, image[..., 2:, 1:-1] - pixel
        left, up = image[..., 1:-1, :-2] - pixel, image[..., :-2, 1:-1] - pixel
        differences = right, down, (right + down + left + up) / 4
        squared = torch.stack([difference.square().mean(1) for difference in differences], 1)
        height, width = (n // self.scale * self.scale for n in squared.shape[-2:])
        phases = functional.pixel_unshuffle(squared[..., :height, :width], self.scale)  # [N, 3 · scale², h, w]
        logarithms = (phases.mean((-2, -1)) + FLOOR).log().reshape(len(image), len(differences), -1)
        return logarithms - logarithms.mean(-1, keepdim=True)
