"""The paper's discriminators for images (Appendix D): strided convolutions."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import cast

from torch import Tensor, nn

from mapsr_cli.configs import Count, CountTuple
from mapsr_cli.networks.layers import convolution


@dataclass(frozen=True)
class DiscriminatorConfig:
    """Sizes and options of a Discriminator."""

    colours: Count = 3
    """Image channels."""
    widths: CountTuple = (32, 64, 128, 256)
    """Feature maps of each convolution."""
    strides: CountTuple = (2, 2, 2, 2)
    """Stride of each convolution."""
    batch_norm: bool = True
    """Normalise after each convolution, as the paper does."""
    slope: float = 0.0
    """Slope of the rectifier below zero: 0 is the paper's ReLU."""
    local: bool = False
    """A logit for each position of the last layer, not one for the image: each position is judged by itself."""

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.strides):
            raise ValueError(f"{len(self.widths)} widths but {len(self.strides)} strides")


class Discriminator(nn.Module):
    """HR image [N, colours, H, W] in [0, 1] → logits [N], or [N, positions], of "drawn from p_Y", D = sigmoid(logit).

    The sigmoid that Appendix D puts last belongs to the criterion: the generator's objective, eqn (10), is minus the
    logit, and cross-entropy is computed from logits without overflow. Chosen here, where the paper is silent: 3×3
    kernels; batch normalisation in the first layer too ("in all layers except the output"); the head is a linear
    layer on the mean over positions, so any size from 1×1 pixel will do. y − 0.5 enters, so that zero padding is grey.

    A mean over positions can be exploited: one position with a very large logit outweighs all the others, and as long
    as images are classified right on average, no gradient corrects it. Local logits judge each position.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        for (a, b), stride in zip(pairwise((config.colours, *config.widths)), config.strides, strict=True):
            layers += [convolution(a, b, stride=stride, batch_norm=config.batch_norm), nn.LeakyReLU(config.slope)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(config.widths[-1], 1)

    def features(self, y: Tensor) -> Iterator[Tensor]:
        """Yield the feature maps [N, width, h, w] of each convolution, after its rectifier."""
        h = y - 0.5
        for layer in self.body:
            h = layer(h)
            if isinstance(layer, nn.LeakyReLU):
                yield h

    def forward(self, y: Tensor) -> Tensor:
        """Map [N, colours, H, W] to logits [N], or [N, positions] where they are local."""
        features = self.body(y - 0.5)
        seen = features.flatten(2).transpose(1, 2) if self.config.local else features.mean(dim=(2, 3))
        return cast(Tensor, self.head(seen).squeeze(-1))
