"""Lattice: the pixel shuffle's phases shall have the image's means, so that no pattern repeats with the scale."""

from torch import Tensor
from torch.nn import functional

from mapsr_cli.criteria.base import PhaseTerm
from mapsr_cli.errors import UsageError

CELLS = 8
"""LR pixels a side of a block whose phases are averaged, in smaller patches all there are."""
LEVEL = 1 / 255
"""Added to a block's standard deviation: what is seen on a plain background."""


class Lattice(PhaseTerm):
    """mean |m(ŷ − y)| / (σ(y) + 1/255), of blocks of 8×8 LR pixels.

    m is the mean of each of the scale² phases of the pixel shuffle, σ(y) the block's standard deviation over pixels,
    averaged over colours: a lattice is seen where it is flat. A discriminator and perceptual features ask for grain
    there. A network without noise maps can only draw the same grain for each LR pixel, which is a lattice. Texture that
    follows the image has means near zero and pays nothing.
    """

    name = "lattice"

    def value(self, estimate: Tensor, truth: Tensor) -> Tensor:
        """Compute the mean over images, colours, phases and blocks; rows and columns left over do not count.

        Raises UsageError for what is no image of one LR pixel or more.
        """
        if estimate.ndim != 4 or min(estimate.shape[-2:]) < self.scale:
            raise UsageError("criterion.lattice compares images, and of at least one LR pixel")
        sides = [min(CELLS, n // self.scale) * self.scale for n in estimate.shape[-2:]]
        height, width = (n // side * side for n, side in zip(estimate.shape[-2:], sides, strict=True))
        error, truth = (image[..., :height, :width] for image in (estimate - truth, truth))
        phases = functional.pixel_unshuffle(error, self.scale)  # [N, C · scale², h, w]
        means = functional.avg_pool2d(phases, [side // self.scale for side in sides])
        mean = functional.avg_pool2d(truth, sides)
        spread = (
            (functional.avg_pool2d(truth.square(), sides) - mean.square()).clamp(min=0).sqrt().mean(1, keepdim=True)
        )
        return (means.abs() / (spread + LEVEL)).mean()
