"""Discriminators for images: the paper's strided convolutions (Appendix D), and what may be set otherwise."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

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
    spectral_norm: bool = False
    """Divide the weights of each convolution but the first and the head by their largest singular value (Miyato et al.,
    2018): how fast a logit changes with the image is bounded. In place of batch normalisation."""
    strided_kernel: Literal[3, 4] = 3
    """Side of kernels with a stride above 1. With 4 at stride 2, every pixel counts equally often."""
    decoder: bool = False
    """Enlarge the last features again, step by step, and add those of each size on the way (a U-Net; Schönfeld et al.,
    2020): with `local` a logit for each position of the first layer, which sees as far around as the last layer."""
    head_kernel: Literal[1, 3] = 1
    """Side of the head's kernel: how many positions of the last layer a logit sees."""

    def __post_init__(self) -> None:
        if self.spectral_norm and self.batch_norm:
            raise ValueError("spectral_norm takes the place of batch_norm: set batch_norm to false")
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
            layers += [_convolution(config, a, b, stride, first=not layers), nn.LeakyReLU(config.slope)]
        self.body = nn.Sequential(*layers)
        self.decoder = nn.ModuleList(_decoder(config)) if config.decoder else None
        last, side = config.widths[0 if config.decoder else -1], config.head_kernel
        self.head = nn.Linear(last, 1) if side == 1 else nn.Conv2d(last, 1, side, padding=side // 2)

    def features(self, y: Tensor) -> Iterator[Tensor]:
        """Yield the feature maps [N, width, h, w] of each convolution, after its rectifier."""
        h = y - 0.5
        for layer in self.body:
            h = layer(h)
            if isinstance(layer, nn.LeakyReLU):
                yield h

    def forward(self, y: Tensor) -> Tensor:
        """Map [N, colours, H, W] to logits [N], or [N, positions] where they are local."""
        features = self.body(y - 0.5) if self.decoder is None else self._decoded(y, self.decoder)
        if isinstance(self.head, nn.Conv2d):
            logits: Tensor = self.head(features).flatten(1)
            return logits if self.config.local else logits.mean(dim=1)
        seen = features.flatten(2).transpose(1, 2) if self.config.local else features.mean(dim=(2, 3))
        return cast(Tensor, self.head(seen).squeeze(-1))

    def _decoded(self, y: Tensor, decoder: nn.ModuleList) -> Tensor:
        """Compute features [N, width, h, w] of the first layer's size."""
        features = list(self.features(y))
        h = features.pop()
        skips = [skip for skip, stride in zip(features, self.config.strides[1:], strict=True) if stride > 1]
        for layer, skip in zip(decoder, reversed(skips), strict=True):
            larger = functional.interpolate(h, skip.shape[-2:], mode="bilinear", align_corners=False)
            h = functional.leaky_relu(layer(larger), self.config.slope) + skip
        return h


def _decoder(config: DiscriminatorConfig) -> Iterator[nn.Module]:
    """Yield a convolution for each layer with a stride but the first, from the last on, to the width before it."""
    inputs = config.widths[-1]
    for width, stride in reversed(list(zip(config.widths[:-1], config.strides[1:], strict=True))):
        if stride > 1:
            yield _convolution(config, inputs, width, 1, first=False)
            inputs = width


def _convolution(config: DiscriminatorConfig, inputs: int, outputs: int, stride: int, first: bool) -> nn.Module:
    kernel = config.strided_kernel if stride > 1 else 3
    if not config.spectral_norm:
        return convolution(inputs, outputs, kernel=kernel, stride=stride, batch_norm=config.batch_norm)
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=1)
    return conv if first else spectral_norm(conv)
