"""Mean squared error, the empirical risk of eqn (1)."""

from typing import ClassVar

from torch import Tensor
from torch.nn import functional

from mapsr_cli.criteria.base import Criterion, Scalars


class MSE(Criterion):
    """ℓ = mean (y − ŷ)²: its best estimate is the posterior's mean."""

    paired: ClassVar = True

    def loss(self, estimate: Tensor, truth: Tensor, progress: float) -> tuple[Tensor, Scalars]:
        """Compute the mean squared error over pixels."""
        value = functional.mse_loss(estimate, truth)
        return value, {"loss": value.detach()}
