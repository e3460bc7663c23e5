"""Feature matching: the discriminator's features of an estimate shall be those of the image (Wang et al., 2018)."""

from collections.abc import Callable, Iterable
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.criteria.base import Adversary, Criterion, Term
from mapsr_cli.criteria.judging import held
from mapsr_cli.errors import UsageError


class _Features(nn.Module):
    """Calls `features` of a network, so that it can be held."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, y: Tensor) -> list[Tensor]:
        """Map images to the features of every layer."""
        features = cast(Callable[[Tensor], Iterable[Tensor]], self.network.features)
        return list(features(y))


class Matching(Term):
    """mean |φ(y) − φ(ŷ)|, averaged over the layers φ of the discriminator, which sees both moved alike.

    It needs no other network. The features change as the discriminator learns.
    """

    def __init__(self, criterion: Criterion) -> None:
        """Take a criterion with a discriminator of images. Raises UsageError for others."""
        if not isinstance(criterion, Adversary) or not hasattr(criterion.discriminator.bare, "features"):
            raise UsageError("criterion.matching compares features of a discriminator of images, which this run lacks")
        self.criterion = criterion

    def value(self, estimate: Tensor, truth: Tensor) -> Tensor:
        """Compute the mean over layers."""
        seen = self.criterion.view(torch.cat([truth, estimate]))
        layers = held(_Features(self.criterion.discriminator.bare))(seen)
        return torch.stack([functional.l1_loss(*layer.chunk(2)) for layer in layers]).mean()
