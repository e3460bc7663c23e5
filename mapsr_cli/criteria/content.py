"""Content: the mean absolute error, which holds texture near the original."""

from torch import Tensor
from torch.nn import functional

from mapsr_cli.criteria.base import Term


class Content(Term):
    """mean |y − ŷ|."""

    def value(self, estimate: Tensor, truth: Tensor) -> Tensor:
        """Compute the mean over images, colours and pixels."""
        return functional.l1_loss(estimate, truth)
