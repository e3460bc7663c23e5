"""Content: the mean absolute error, which holds texture near the original."""

from torch import Tensor
from torch.nn import functional

from mapsr_cli.criteria.base import Criterion, Term
from mapsr_cli.errors import UsageError

WINDOW = 16
"""HR pixels a side of a window over which the error is averaged; windows begin every half of that."""


class Content(Term):
    """mean |y − ŷ|, or mean |y − ŷ| / (1 + e²/e₀²) where `criterion.predictable` e₀ is set.

    e is the root mean square of the error around a pixel, over windows of 16×16, of which each pixel's error is the
    mean over colours; it passes no gradient on. Texture that x does not determine has a large error whatever is drawn,
    and its least error is that of a blur. There content weighs less, as with Cauchy's loss, and the objective decides.
    """

    def __init__(self, criterion: Criterion) -> None:
        self.predictable = criterion.config.predictable
        if not self.predictable >= 0:
            raise UsageError(f"criterion.predictable={self.predictable}", "an error of zero or more")

    def value(self, estimate: Tensor, truth: Tensor) -> Tensor:
        """Compute the mean over images, colours and pixels. Raises UsageError where e₀ is set and these are points."""
        if not self.predictable:
            return functional.l1_loss(estimate, truth)
        if estimate.ndim != 4 or min(estimate.shape[-2:]) < 2:
            raise UsageError("criterion.predictable compares images, and of at least 2×2 pixels")
        error = (estimate - truth).abs().mean(1, keepdim=True)
        squared = functional.avg_pool2d(
            error.detach().square(), WINDOW, WINDOW // 2, padding=WINDOW // 2, count_include_pad=False
        )
        around = functional.interpolate(squared, size=error.shape[2:], mode="bilinear", align_corners=False)
        return (error / (1 + around / self.predictable**2)).mean()
