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
from mapsr_cli.operators.evidence import TOLD

TAPS = 7
"""LR pixels a side from which the part of an HR pixel that is restored is made."""


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
    told: Count = TOLD
    """Numbers that the restorer is told of the original (`operators.Evidence.told`)."""


class Restoring(nn.Module):
    """f(x) = trunk(x + r) + B r, r = restorer(x): LR [N, colours, h, w] in [0, 1] → the detail to add to A⁺x.

    B, a convolution as the paper's A⁺ is (Appendix F), makes x + A f the restored x + r as far as A of the trunk's
    detail is 0. Both last layers start at zero, so an untrained network estimates A⁺x.
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
        self.start_lift(functional.pad(torch.ones(config.scale**2, 1, 1), 4 * (TAPS // 2,)))
        self.trunk = Compact(
            CompactConfig(config.scale, config.channels, config.blocks, config.colours, config.noise_dim)
        )

    @property
    def receptive_field(self) -> int:
        """Radius of the receptive field: LR pixels on each side that an output pixel depends on."""
        return self.restorer.receptive_field + max(self.trunk.receptive_field, TAPS // 2)

    @torch.no_grad()
    def start_lift(self, kernels: Tensor) -> None:
        """Make B the convolution with these kernels [scale², TAPS, TAPS], as `solve_pinv` gives for A."""
        self.lift.weight.copy_(kernels[:, None].repeat(self.config.colours, 1, 1, 1))

    def forward(self, x: Tensor, z: Tensor | None = None, told: Tensor | None = None) -> Tensor:
        """Map x [N, colours, h, w] (z [N, noise_dim, h, w], `told` [N or 1, told]) to [N, colours, s·h, s·w].

        Without `told` the original is lossless: all zeros.
        """
        r = self.restorer(x, told=told)
        detail: Tensor = self.trunk(x + r, z)
        return detail + functional.pixel_shuffle(self.lift(r), self.config.scale)
