"""Fully connected networks for the Swiss roll (Section 5.1): its two numbers are an image of 1×2 pixels.

Appendix D gives two hidden layers (64 units; 256 in the denoiser). No normalisation and no sigmoid: the data are not
in [0, 1]. With `groups`, independent networks stand side by side, each with its own share of the channels, so that ten
trials cost little more than one.
"""

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import ClassVar

import torch
from torch import Tensor, cat, nn
from torch.nn import functional

from mapsr_cli.configs import Count, CountTuple, NonNegative
from mapsr_cli.errors import UsageError
from mapsr_cli.networks.denoiser import noise_level
from mapsr_cli.networks.layers import with_noise


@dataclass(frozen=True)
class MlpGeneratorConfig:
    """Sizes and options of an MlpGenerator."""

    scale: Count = 2
    """HR pixels per LR pixel, along each axis that has more than one."""
    colours: Count = 1
    """Image channels."""
    noise_dim: NonNegative = 0
    """Noise maps beside the LR image (Appendix F); 0: a deterministic generator."""
    size: tuple[Count, Count] = (1, 2)
    """HR (H, W)."""
    hidden: CountTuple = (64, 64)
    """Units of each hidden layer."""
    groups: Count = 1
    """Independent networks, each with its share of the channels and of the noise maps."""

    @property
    def lr_size(self) -> tuple[int, int]:
        """LR (h, w)."""
        return -(-self.size[0] // self.scale), -(-self.size[1] // self.scale)


class MlpGenerator(nn.Module):
    """f(x): LR [N, colours, h, w] → [N, colours, H, W], at one size."""

    detail: ClassVar[bool] = False
    """As in `Compact`."""

    def __init__(self, config: MlpGeneratorConfig) -> None:
        super().__init__()
        self.config = config
        inputs = (config.colours + config.noise_dim) * prod(config.lr_size)
        self.layers = _perceptrons(config, inputs, config.colours * prod(config.size))

    @property
    def receptive_field(self) -> int:
        """Radius of the receptive field: LR pixels on each side that an output pixel depends on: all there are."""
        return max(self.config.lr_size) - 1

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """Map x [N, colours, h, w] (and z [N, noise_dim, h, w]) to [N, colours, H, W]."""
        groups = self.config.groups
        with_noise(x, z, self.config.noise_dim)  # refuses what does not fit
        seen = x if z is None else cat([x.unflatten(1, (groups, -1)), z.unflatten(1, (groups, -1))], dim=2)  # type: ignore[no-untyped-call]
        out: Tensor = self.layers(seen)
        return out.reshape(-1, self.config.colours, *self.config.size)


@dataclass(frozen=True)
class MlpDiscriminatorConfig:
    """Sizes and options of an MlpDiscriminator."""

    colours: Count = 1
    """Image channels."""
    size: tuple[Count, Count] = (1, 2)
    """HR (H, W)."""
    hidden: CountTuple = (64, 64)
    """Units of each hidden layer."""
    groups: Count = 1
    """Independent networks, each with its share of the channels."""


class MlpDiscriminator(nn.Module):
    """[N, colours, H, W] → logits [N] of "drawn from p_Y" ([N, groups] of several); the sigmoid is the criterion's."""

    def __init__(self, config: MlpDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = _perceptrons(config, config.colours * prod(config.size), config.groups)

    def forward(self, y: Tensor) -> Tensor:
        """Map [N, colours, H, W] to logits [N], or [N, groups]."""
        out: Tensor = self.layers(y)
        return out.flatten(1).squeeze(1)


@dataclass(frozen=True)
class MlpDenoiserConfig:
    """Sizes and options of an MlpDenoiser."""

    colours: Count = 1
    """Image channels."""
    size: tuple[Count, Count] = (1, 2)
    """HR (H, W)."""
    hidden: CountTuple = (256, 256)
    """Units of each hidden layer."""
    conditional: bool = False
    """Take the noise's standard deviation as one more input."""
    groups: Count = 1
    """Independent networks, each with its share of the channels."""


class MlpDenoiser(nn.Module):
    """f_DAE(y + ε): [N, colours, H, W] → the estimate of y: y + g(y), or y + σ·g(y, σ) as in `Denoiser`."""

    def __init__(self, config: MlpDenoiserConfig) -> None:
        super().__init__()
        self.config = config
        values = config.colours * prod(config.size)
        levels = config.groups * config.conditional
        self.layers = _perceptrons(config, values + levels, values)

    def forward(self, y: Tensor, sigma: Tensor | float | None = None) -> Tensor:
        """Map y [N, colours, H, W] and sigma, [N] or a number (read if `conditional`), to [N, colours, H, W].

        Raises UsageError if the network is conditional and sigma is missing.
        """
        if not self.config.conditional:
            return y + self._change(y, y)
        level, groups = noise_level(y, sigma), self.config.groups
        inputs = cat([y.reshape(len(y), groups, -1), level.reshape(-1, 1, 1).expand(-1, groups, 1)], dim=2)
        return y + level * self._change(inputs, y)

    def _change(self, seen: Tensor, y: Tensor) -> Tensor:
        change: Tensor = self.layers(seen)
        return change.reshape(y.shape)


class GroupedLinear(nn.Module):
    """Independent linear layers side by side: [groups, N, inputs] → [groups, N, outputs]."""

    def __init__(self, groups: int, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(groups, inputs, outputs))
        self.bias = nn.Parameter(torch.empty(groups, 1, outputs))
        for parameter in (self.weight, self.bias):  # as nn.Linear
            nn.init.uniform_(parameter, -(inputs**-0.5), inputs**-0.5)

    def forward(self, h: Tensor) -> Tensor:
        """Map [groups, N, inputs] to [groups, N, outputs]."""
        return torch.bmm(h, self.weight).add_(self.bias)  # in place: memory is what small layers wait for


class Perceptrons(nn.Module):
    """Fully connected networks with ReLU between layers, `groups` of them: [N, …] → [N, groups, outputs of each].

    The dimensions after N are split evenly among the groups, in order.
    """

    def __init__(self, groups: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(GroupedLinear(groups, a, b) for a, b in pairwise(widths))
        self.groups = groups

    def forward(self, seen: Tensor) -> Tensor:
        """Map [N, …] to [N, groups, outputs]."""
        h = seen.reshape(len(seen), self.groups, -1).transpose(0, 1)
        for depth, layer in enumerate(self.layers):
            h = layer(h if depth == 0 else functional.relu_(h))
        return h.transpose(0, 1)


def _perceptrons(
    config: MlpGeneratorConfig | MlpDiscriminatorConfig | MlpDenoiserConfig, inputs: int, outputs: int
) -> Perceptrons:
    """Build networks whose `inputs` and `outputs` add up to these. Raises UsageError if channels cannot be split."""
    groups = config.groups
    if config.colours % groups or inputs % groups or outputs % groups:
        raise UsageError(f"{config.colours} channels cannot be split among {groups} networks")
    return Perceptrons(groups, (inputs // groups, *config.hidden, outputs // groups))
