"""Fully connected networks for the Swiss roll (Section 5.1): its two numbers are an image of 1×2 pixels.

Appendix D gives two hidden layers (64 units; 256 in the denoiser). No normalisation and no sigmoid: the data are not
in [0, 1].
"""

from dataclasses import dataclass
from itertools import pairwise
from math import prod
from typing import cast

from torch import Tensor, cat, nn

from mapsr_cli.networks.denoiser import noise_level
from mapsr_cli.networks.layers import with_noise


@dataclass(frozen=True)
class MlpGeneratorConfig:
    """What an MlpGenerator is made of."""

    scale: int = 2
    """HR pixels per LR pixel, along each axis that has more than one."""
    colours: int = 1
    """Image channels."""
    noise_dim: int = 0
    """Noise maps beside the LR image (Appendix F); 0: a deterministic generator."""
    size: tuple[int, int] = (1, 2)
    """HR (H, W)."""
    hidden: tuple[int, ...] = (64, 64)
    """Units of each hidden layer."""

    @property
    def lr_size(self) -> tuple[int, int]:
        """LR (h, w)."""
        return -(-self.size[0] // self.scale), -(-self.size[1] // self.scale)


class MlpGenerator(nn.Module):
    """f(x): LR [N, colours, h, w] → [N, colours, H, W], at one size."""

    def __init__(self, config: MlpGeneratorConfig) -> None:
        super().__init__()
        self.config = config
        inputs = (config.colours + config.noise_dim) * prod(config.lr_size)
        self.layers = _perceptron(inputs, config.hidden, config.colours * prod(config.size))

    @property
    def reach(self) -> int:
        """LR pixels on each side that an output pixel depends on: all there are."""
        return max(self.config.lr_size) - 1

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """x [N, colours, h, w] (and z [N, noise_dim, h, w]) → [N, colours, H, W]."""
        out: Tensor = self.layers(with_noise(x, z, self.config.noise_dim).flatten(1))
        return out.reshape(-1, self.config.colours, *self.config.size)


@dataclass(frozen=True)
class MlpDiscriminatorConfig:
    """What an MlpDiscriminator is made of."""

    colours: int = 1
    """Image channels."""
    size: tuple[int, int] = (1, 2)
    """HR (H, W)."""
    hidden: tuple[int, ...] = (64, 64)
    """Units of each hidden layer."""


class MlpDiscriminator(nn.Module):
    """[N, colours, H, W] → logits [N] of "drawn from p_Y"; the sigmoid belongs to the criterion."""

    def __init__(self, config: MlpDiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.layers = _perceptron(config.colours * prod(config.size), config.hidden, 1)

    def forward(self, y: Tensor) -> Tensor:
        """[N, colours, H, W] → logits [N]."""
        return cast(Tensor, self.layers(y.flatten(1)).squeeze(1))


@dataclass(frozen=True)
class MlpDenoiserConfig:
    """What an MlpDenoiser is made of."""

    colours: int = 1
    """Image channels."""
    size: tuple[int, int] = (1, 2)
    """HR (H, W)."""
    hidden: tuple[int, ...] = (256, 256)
    """Units of each hidden layer."""
    conditional: bool = False
    """Be told the noise's standard deviation, as one more input."""


class MlpDenoiser(nn.Module):
    """f_DAE(y + ε): [N, colours, H, W] → the estimate of y: y + g(y), or y + σ·g(y, σ) as in `Denoiser`."""

    def __init__(self, config: MlpDenoiserConfig) -> None:
        super().__init__()
        self.config = config
        values = config.colours * prod(config.size)
        self.layers = _perceptron(values + config.conditional, config.hidden, values)

    def forward(self, y: Tensor, sigma: Tensor | float | None = None) -> Tensor:
        """y [N, colours, H, W], sigma [N] or a number (not read unless `conditional`) → [N, colours, H, W].

        Raises UsageError if the network is conditional and sigma is missing.
        """
        if not self.config.conditional:
            return y + self._change(y.flatten(1)).view_as(y)
        level = noise_level(y, sigma)
        return y + level * self._change(cat([y.flatten(1), level.flatten(1)], dim=1)).view_as(y)

    def _change(self, seen: Tensor) -> Tensor:
        change: Tensor = self.layers(seen)
        return change


def _perceptron(inputs: int, hidden: tuple[int, ...], outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for a, b in pairwise((inputs, *hidden)):
        layers += [nn.Linear(a, b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(hidden[-1], outputs))
