"""Energy: an estimate shall be as rough as the image, block by block, whatever it draws there."""

from torch import Tensor
from torch.nn import functional

from mapsr_cli.criteria.base import Term
from mapsr_cli.errors import UsageError

BLOCK = 32
"""HR pixels a side of a block; smaller patches are one block."""
SCALES = 2
"""Octaves: of the pixels, and of the means of 2×2 pixels."""
FLOOR = (1 / 255) ** 2
"""Added to an energy: below a level's difference there is only rounding."""


class Energy(Term):
    """mean |log (E(ŷ) + (1/255)²) / (E(y) + (1/255)²)|, of blocks of 32×32 pixels, at two scales.

    E is the mean of squared differences between neighbours, over a block and its colours. The mean absolute error asks
    for none of the texture that x does not determine, and a discriminator does not tell a weak texture from a strong
    one where both are plausible. This term asks for as much of it as there is, be it a hedge's or a wall's grain, and
    not for where it lies.
    """

    def value(self, estimate: Tensor, truth: Tensor) -> Tensor:
        """Compute the mean over images, blocks and scales; rows and columns left over do not count.

        Raises UsageError for what is no image of 4×4 pixels or more.
        """
        if estimate.ndim != 4 or min(estimate.shape[-2:]) < 2**SCALES:
            raise UsageError("criterion.energy compares images, and of at least 4×4 pixels")
        total = estimate.new_zeros(())
        for scale in range(SCALES):
            side = BLOCK >> scale
            made, wanted = (_energies(image, side) for image in (estimate, truth))
            total = total + ((made + FLOOR) / (wanted + FLOOR)).log().abs().mean()
            estimate, truth = (functional.avg_pool2d(image, 2) for image in (estimate, truth))
        return total / SCALES


def _energies(image: Tensor, side: int) -> Tensor:
    """Compute E of each block of `side` × `side` pixels: [N, C, H, W] → [N, 1, rows, columns]."""
    down = (image[..., 1:, :-1] - image[..., :-1, :-1]).square()
    right = (image[..., :-1, 1:] - image[..., :-1, :-1]).square()
    squared = functional.pad((down + right).mean(dim=1, keepdim=True), (0, 1, 0, 1), mode="replicate")
    return functional.avg_pool2d(squared, [min(side, n) for n in squared.shape[-2:]])
