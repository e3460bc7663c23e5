"""A generator for fewer multiply-adds than `compact`: narrower residual blocks, and a few branches that look far.

After published ideas: residual blocks of three convolutions and nothing else between them (RLFN: Kong et al., 2022,
arXiv:2205.07514); attention without parameters, computed from the block's own features (SPAN: Wan et al., 2024,
arXiv:2311.12770); a context of few maps beside the blocks (RLFN's spatial attention and SAFMN's pyramid: Sun et al.,
2023, arXiv:2302.13800), here by dilated convolutions (Yu and Koltun, 2016, arXiv:1511.07122), as strides and pools
would make the result depend on where a tile starts. With `depth` 2, `slope` 0 and no wide branch it is `Compact`, so
that blocks of trained weights can be taken over.
"""

from dataclasses import dataclass, replace
from operator import attrgetter
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Lt
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.configs import Count, CountTuple, NonNegative
from mapsr_cli.networks.expanded import expand
from mapsr_cli.networks.fused import conv_add, conv_relu
from mapsr_cli.networks.layers import with_noise, with_told


@dataclass(frozen=True)
class SlimConfig:
    """Sizes and options of a Slim."""

    scale: Count = 4
    """HR pixels per LR pixel."""
    channels: Count = 48
    """Feature maps."""
    blocks: Count = 7
    """Residual blocks."""
    depth: Count = 3
    """Convolutions of a block."""
    slope: Annotated[float, Ge(0), Lt(1)] = 0.05
    """Slope of the activations for negative values; 0: ReLU."""
    gated: bool = False
    """Weigh what a block adds by attention without parameters."""
    wide_every: Count = 2
    """A wide branch follows every so many blocks; more than `blocks`: there is none."""
    wide_channels: Count = 16
    """Feature maps of a wide branch."""
    dilations: CountTuple = (3, 5)
    """LR pixels between the taps of each convolution of a wide branch."""
    expanded: bool = False
    """Train every convolution of a block as a sum of itself and a chain of three; the saved network has one again."""
    colours: Count = 3
    """Image channels."""
    noise_dim: NonNegative = 0
    """Noise maps beside the LR image (Appendix F); 0: a deterministic generator."""
    told: NonNegative = 0
    """Numbers that it is told of its original (`operators.Evidence.told`); 0: none."""


class SlimBlock(nn.Module):
    """h + v, v = conv(…leaky(conv(h))…); `gated`: h + (h + v)·(σ(v) − ½), SPAN's attention with one more skip."""

    def __init__(self, config: SlimConfig) -> None:
        super().__init__()
        self.slope, self.gated = config.slope, config.gated
        self.convolutions = nn.ModuleList(_convolution(config.channels, config.slope) for _ in range(config.depth))
        with torch.no_grad():  # as in `Compact`: the sum of all blocks starts with the variance of the head alone
            self.convolutions[-1].weight.mul_(0.5 * config.blocks**-0.5)  # type: ignore[operator]
        if config.expanded:
            for conv in self.convolutions:
                expand(conv)  # type: ignore[arg-type]

    def forward(self, h: Tensor) -> Tensor:
        """Map h [N, channels, h, w] to the same shape; in inference mode h may be overwritten."""
        *hidden, last = self.convolutions
        v = h
        for conv in hidden:
            v = conv_relu(conv, v, self.slope)  # type: ignore[arg-type]
        if not self.gated:
            return conv_add(last, v, h)  # type: ignore[arg-type]
        v = last(v)
        return torch.addcmul(h, h + v, (0.5 * v).tanh_(), value=0.5)  # σ(v) − ½ = ½ tanh(v/2), in fewer passes


class WideBranch(nn.Module):
    """h plus a correction from wide context: 1×1 to few maps, dilated 3×3 convolutions, 1×1 back, at first small."""

    def __init__(self, config: SlimConfig) -> None:
        super().__init__()
        self.slope, maps = config.slope, config.wide_channels
        self.narrow = nn.Conv2d(config.channels, maps, 1)
        self.far = nn.ModuleList(_convolution(maps, config.slope, dilation) for dilation in config.dilations)
        self.widen = nn.Conv2d(maps, config.channels, 1)
        nn.init.normal_(self.widen.weight, std=0.1 * maps**-0.5)
        nn.init.zeros_(self.widen.bias)  # type: ignore[arg-type]

    def forward(self, h: Tensor) -> Tensor:
        """Map h [N, channels, h, w] to the same shape; in inference mode h may be overwritten."""
        far = self.narrow(h)
        for conv in self.far:
            far = conv_relu(conv, far, self.slope)  # type: ignore[arg-type]
        return conv_add(self.widen, far, h)


class Slim(nn.Module):
    """f(x): LR [N, colours, h, w] in [0, 1] → the detail to add to A⁺x, [N, colours, s·h, s·w].

    The last layer starts at zero, so an untrained network estimates A⁺x.
    """

    detail: ClassVar[bool] = True
    """As in `Compact`."""

    def __init__(self, config: SlimConfig) -> None:
        super().__init__()
        self.config = config
        self.head = nn.Conv2d(config.colours + config.told + config.noise_dim, config.channels, 3, padding=1)
        with torch.no_grad():
            self.head.weight[:, config.colours : config.colours + config.told].zero_()
        parts: list[nn.Module] = []
        for number in range(1, config.blocks + 1):
            parts.append(SlimBlock(config))
            if number % config.wide_every == 0:
                parts.append(WideBranch(config))
        self.body = nn.Sequential(*parts)
        self.tail = nn.Conv2d(config.channels, config.colours * config.scale**2, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    @property
    def receptive_field(self) -> int:
        """Radius of the receptive field: LR pixels on each side that an output pixel depends on."""
        wide = self.config.blocks // self.config.wide_every * sum(self.config.dilations)
        return self.config.blocks * self.config.depth + wide + 2

    def forward(self, x: Tensor, z: Tensor | None = None, told: Tensor | None = None) -> Tensor:
        """Map x [N, colours, h, w] (z [N, noise_dim, h, w], `told` [N or 1, told]) to [N, colours, s·h, s·w].

        Without `told` the original is lossless: all zeros.
        """
        h = self.head(with_noise(with_told(x - 0.5, told, self.config.told), z, self.config.noise_dim))
        return functional.pixel_shuffle(self.tail(self.body(h)), self.config.scale)

    def for_use(self) -> "Slim":
        """Return a copy that computes the same, with one convolution for each that was expanded."""
        with torch.device("meta"):
            plain = Slim(replace(self.config, expanded=False))
        plain.load_state_dict(
            {name: attrgetter(name)(self).detach().clone() for name in plain.state_dict()}, assign=True
        )
        return plain.train(self.training)


def _convolution(channels: int, slope: float, dilation: int = 1) -> nn.Conv2d:
    """Make a 3×3 convolution whose weights keep the variance under a leaky ReLU."""
    conv = nn.Conv2d(channels, channels, 3, padding=dilation, dilation=dilation)
    nn.init.kaiming_normal_(conv.weight, slope)
    nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
    return conv
