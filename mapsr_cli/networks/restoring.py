"""A generator for originals that are JPEGs or noisy: a small network restores x, and a larger one upscales the result.

One network that is told how x was compressed has to learn both, and forgets what it had learnt of lossless originals.
Here that is kept: `trunk` is a network for lossless originals, whose weights a run may begin with.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.configs import Count, NonNegative
from mapsr_cli.networks.compact import Compact, CompactConfig
from mapsr_cli.networks.slim import Slim, SlimConfig
from mapsr_cli.operators.kernels import cubic

TAPS = 5
"""LR pixels a side that the restored part of an HR pixel is interpolated from, at first by Keys' cubic."""


@dataclass(frozen=True)
class RestoringConfig:
    """Sizes and options of a Restoring."""

    scale: Count = 4
    """HR pixels per LR pixel."""
    channels: Count = 64
    """Feature maps of the trunk, a Compact."""
    blocks: Count = 14
    """Residual blocks of the trunk."""
    restorer_channels: Count = 32
    """Feature maps of the restorer, a Slim of scale 1."""
    restorer_blocks: Count = 8
    """Residual blocks of two convolutions of the restorer."""
    colours: Count = 3
    """Image channels."""
    noise_dim: NonNegative = 0
    """Noise maps of the trunk (Appendix F); 0: a deterministic generator."""
    told: Count = 6
    """Numbers that the restorer is told of the original (`operators.Evidence.told`)."""


class Restoring(nn.Module):
    """f(x) = trunk(x + r) + lift(r), r = restorer(x): LR [N, colours, h, w] → detail to add to A⁺x.

    lift interpolates, so that x + A f is near to the restored x + r where A of the trunk's detail is near to 0. Both
    last layers start at zero, so an untrained network estimates A⁺x.
    """

    detail: ClassVar[bool] = True
    """As in `Compact`."""

    def __init__(self, config: RestoringConfig) -> None:
        super().__init__()
        self.config = config
        self.restorer = Slim(
            SlimConfig(
                scale=1,
                channels=config.restorer_channels,
                blocks=config.restorer_blocks,
                depth=2,
                wide_every=config.restorer_blocks + 1,
                colours=config.colours,
                told=config.told,
            )
        )
        maps = config.colours * config.scale**2
        self.lift = nn.Conv2d(config.colours, maps, TAPS, padding=TAPS // 2, groups=config.colours, bias=False)
        with torch.no_grad():
            self.lift.weight.copy_(_interpolation(config.scale).repeat(config.colours, 1, 1, 1))
        self.trunk = Compact(
            CompactConfig(config.scale, config.channels, config.blocks, config.colours, config.noise_dim)
        )

    @property
    def receptive_field(self) -> int:
        """Radius of the receptive field: LR pixels on each side that an output pixel depends on."""
        return self.restorer.receptive_field + max(self.trunk.receptive_field, TAPS // 2)

    def forward(self, x: Tensor, z: Tensor | None = None, told: Tensor | None = None) -> Tensor:
        """Map x [N, colours, h, w] (z [N, noise_dim, h, w], `told` [N or 1, told]) to [N, colours, s·h, s·w].

        Without `told` the original is lossless: all zeros.
        """
        r = self.restorer(x, told=told)
        detail: Tensor = self.trunk(x + r, z)
        return detail + functional.pixel_shuffle(self.lift(r), self.config.scale)


def _interpolation(scale: int) -> Tensor:
    """Compute the taps [scale², 1, TAPS, TAPS] of cubic interpolation for each pixel of a block."""
    middle = (scale - 1) / 2
    lines = [[cubic(tap - TAPS // 2 - (n - middle) / scale) for tap in range(TAPS)] for n in range(scale)]
    weights = torch.tensor(lines)
    weights = weights / weights.sum(1, keepdim=True)
    return torch.einsum("ik,jl->ijkl", weights, weights).reshape(scale**2, 1, TAPS, TAPS)
