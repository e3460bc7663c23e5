"""The zoo's generator: a residual network in LR space, plain 3×3 convolutions, no normalisation."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.configs import Count, NonNegative
from mapsr_cli.networks.fused import conv_add, conv_relu
from mapsr_cli.networks.layers import with_noise


@dataclass(frozen=True)
class CompactConfig:
    """Sizes and options of a Compact."""

    scale: Count = 4
    """HR pixels per LR pixel."""
    channels: Count = 64
    """Feature maps."""
    blocks: Count = 6
    """Residual blocks of two convolutions."""
    colours: Count = 3
    """Image channels."""
    noise_dim: NonNegative = 0
    """Noise maps beside the LR image (Appendix F); 0: a deterministic generator."""


class ResidualBlock(nn.Module):
    """h + conv(relu(conv(h)))."""

    def __init__(self, channels: int, depth: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        for conv in (self.first, self.second):
            nn.init.kaiming_normal_(conv.weight)
            nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        with torch.no_grad():  # so that the sum of `depth` blocks starts with the variance of the head alone
            self.second.weight.mul_(0.5 * depth**-0.5)

    def forward(self, h: Tensor) -> Tensor:
        """Map h [N, channels, h, w] to the same shape; in inference mode h may be overwritten."""
        return conv_add(self.second, conv_relu(self.first, h), h)


class Compact(nn.Module):
    """f(x): LR [N, colours, h, w] in [0, 1] → the detail to add to A⁺x, [N, colours, s·h, s·w].

    The last layer starts at zero, so an untrained network estimates A⁺x.
    """

    detail: ClassVar[bool] = True
    """Whether f, trained under Π, is detail to add to A⁺x. Otherwise A f, which Π replaces, means nothing."""

    def __init__(self, config: CompactConfig) -> None:
        super().__init__()
        self.config = config
        self.head = nn.Conv2d(config.colours + config.noise_dim, config.channels, 3, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(config.channels, config.blocks) for _ in range(config.blocks)))
        self.tail = nn.Conv2d(config.channels, config.colours * config.scale**2, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    @property
    def receptive_field(self) -> int:
        """Radius of the receptive field: LR pixels on each side that an output pixel depends on."""
        return 2 * self.config.blocks + 2

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """Map x [N, colours, h, w] (and z [N, noise_dim, h, w]) to [N, colours, s·h, s·w]."""
        h = self.head(with_noise(x - 0.5, z, self.config.noise_dim))
        return functional.pixel_shuffle(self.tail(self.body(h)), self.config.scale)
