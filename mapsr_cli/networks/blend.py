"""A convex mixture of two networks for one A."""

from typing import Any

from torch import Tensor, nn


class Blend(nn.Module):
    """f = (1 − t) · f₀ + t · f₁.

    Π is affine, so Π f is the same mixture of Π f₀ and Π f₁: where both give x back, so does every mixture. The
    networks need not have weights in common. At t = 0 and t = 1 one of them is run alone.
    """

    def __init__(self, first: nn.Module, second: nn.Module, share: float) -> None:
        """Take f₀, f₁ and t, 0 … 1; both are deterministic, and both give detail or neither does."""
        super().__init__()
        self.first, self.second, self.share = first, second, share

    @property
    def config(self) -> Any:
        """The first network's, for what both have in common: colours and scale."""
        return self.first.config

    @property
    def detail(self) -> bool:
        """As in `Compact`."""
        return bool(self.first.detail)

    @property
    def receptive_field(self) -> int:
        """Radius of the receptive field: LR pixels on each side that an output pixel depends on."""
        return max(int(network.receptive_field) for network in (self.first, self.second))  # type: ignore[arg-type]

    def forward(self, x: Tensor) -> Tensor:
        """Map x [N, colours, h, w] to [N, colours, s·h, s·w]."""
        if self.share in (0, 1):
            only: Tensor = self.second(x) if self.share else self.first(x)
            return only
        second: Tensor = self.second(x)
        mixed: Tensor = self.first(x).mul(1 - self.share).add_(second, alpha=self.share)
        return mixed
