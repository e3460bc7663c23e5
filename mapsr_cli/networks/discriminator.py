"""The paper's discriminators for images (Appendix D): strided convolutions."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from mapsr_cli.networks.layers import convolution


@dataclass(frozen=True)
class DiscriminatorConfig:
    """What a Discriminator is made of."""

    colours: int = 3
    """Image channels."""
    widths: tuple[int, ...] = (32, 64, 128, 256)
    """Feature maps of each convolution."""
    strides: tuple[int, ...] = (2, 2, 2, 2)
    """Stride of each convolution."""
    strided: Literal[3, 4] = 3
    """Side of the kernel where the stride is above 1. With 4 at stride 2 every pixel is seen equally often; with 3 some
    are seen four times as often as others, and the gradient has a grid (Odena et al., 2016)."""
    batch_norm: bool = True
    """Normalise after each convolution, as the paper does."""
    slope: float = 0.0
    """Slope of the rectifier below zero: 0 is the paper's ReLU."""
    spectral_norm: bool = False
    """Hold every layer's largest singular value at 1 (Miyato et al., 2018), so that no logit grows without bound."""
    local: bool = False
    """A logit for each position of the last layer, not one for the image: each place must be told by itself."""

    def __post_init__(self) -> None:
        if len(self.widths) != len(self.strides):
            raise ValueError(f"{len(self.widths)} widths but {len(self.strides)} strides")


class Discriminator(nn.Module):
    """HR image [N, colours, H, W] in [0, 1] → logits [N], or [N, positions], of "drawn from p_Y", D = sigmoid(logit).

    The sigmoid that Appendix D puts last belongs to the criterion: the generator's objective, eqn (10), is minus the
    logit, and cross-entropy is computed from logits without overflow. Chosen here, where the paper is silent: 3×3
    kernels; batch normalisation in the first layer too ("in all layers except the output"); the head is a linear
    layer on the mean over positions, so any size from 1×1 pixel will do. y − 0.5 enters, so that zero padding is grey.

    A mean over positions can be bought: one spot where the logit is very large outweighs all the others, and as long as
    images are told right in the mean, no gradient corrects it. Local logits and a bound on each layer are two remedies.
    """

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        for (a, b), stride in zip(pairwise((config.colours, *config.widths)), config.strides, strict=True):
            side = config.strided if stride > 1 else 3
            layers += [convolution(a, b, stride=stride, side=side, batch_norm=config.batch_norm)]
            layers += [nn.LeakyReLU(config.slope)]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(config.widths[-1], 1)
        if config.spectral_norm:
            for layer in [module for module in self.modules() if isinstance(module, nn.Conv2d | nn.Linear)]:
                spectral_norm(layer)

    def forward(self, y: Tensor) -> Tensor:
        """[N, colours, H, W] → logits [N], or [N, positions] where they are local."""
        features = self.body(y - 0.5).flatten(2).transpose(1, 2)
        if not self.config.local:
            features = features.mean(dim=1)
        return cast(Tensor, self.head(features).squeeze(-1))
