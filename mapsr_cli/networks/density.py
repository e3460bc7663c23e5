"""log p(y) by the chain rule over pixels and colours: PixelCNN features, MCGSM likelihood."""

import math
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mapsr_cli.networks.mcgsm import Mcgsm, McgsmConfig
from mapsr_cli.networks.pixelcnn import PixelCnn, PixelCnnConfig

LEVELS = 255
"""Levels of an 8-bit file between 0.0 and 1.0."""


@dataclass(frozen=True)
class DensityConfig(PixelCnnConfig, McgsmConfig):
    """Sizes and options of a Density: of its PixelCNN, its likelihoods (floor in units of `spread`), and its units."""

    centre: float = 0.5
    """About the data's mean: the networks see (y − centre)/spread."""
    spread: float = 0.25
    """About the data's standard deviation."""

    def __post_init__(self) -> None:
        PixelCnnConfig.__post_init__(self)
        McgsmConfig.__post_init__(self)
        if self.spread <= 0:
            raise ValueError(f"the spread must be positive, not {self.spread}")


class Density(nn.Module):
    """log p(y) = Σ_j log p(y_j | y_<j), eqn (31), with j over pixels in raster order and colours within a pixel.

    Exact: a pixel's red is conditioned on earlier pixels, its green on those and its red, its blue on both. Every
    colour has a likelihood of its own; all read the same features. Densities are of y as given ([0, 1] for images),
    which must be continuous: 8-bit levels need dequantising noise, or their density has no bound but the floor's.
    """

    def __init__(self, config: DensityConfig) -> None:
        super().__init__()
        self.config = config
        self.context = PixelCnn(config)
        self.likelihoods = nn.ModuleList(Mcgsm(config.channels + before, config) for before in range(config.colours))

    def conditionals(self, y: Tensor) -> Tensor:
        """Compute log p(y_j | y_<j) for y [N, colours, H, W], the same shape, in nats; float32 also under autocast."""
        v = (y.to(torch.promote_types(y.dtype, torch.float32)) - self.config.centre) / self.config.spread
        h = self.context(v)
        with _no_autocast(y.device.type):  # sums of exponentials do not survive bf16
            h = h.to(v.dtype)
            colours = [
                likelihood(torch.cat([h, v.narrow(1, 0, before)], dim=1), v.narrow(1, before, 1))
                for before, likelihood in enumerate(self.likelihoods)
            ]
            return torch.cat(colours, dim=1) - math.log(self.config.spread)

    def log_prob(self, y: Tensor) -> Tensor:
        """Compute log p(y) of y [N, colours, H, W]: [N], in nats, summed over pixels and colours; differentiable."""
        return self.conditionals(y).sum(dim=(1, 2, 3))

    def forward(self, y: Tensor) -> Tensor:
        """Return `log_prob`, under the name that wrappers of modules know."""
        return self.log_prob(y)


def _no_autocast(device: str) -> AbstractContextManager[object]:
    has_autocast = torch.amp.is_autocast_available(device)
    return torch.autocast(device, enabled=False) if has_autocast else nullcontext()


def bits_per_dim(log_prob: Tensor, dims: int) -> Tensor:
    """Convert log p in nats, [N], of images in [0, 1] to log₂ p per dimension; `dims` = colours·H·W.

    The density is that of *levels*, 0 … 255, so that ours stands beside the paper's −4.10: log₂ p of values in [0, 1]
    less log₂ 255. Higher is better. (In [0, 1], −4.10 would be far worse than the uniform density's 0 bits.)
    """
    return log_prob / (math.log(2) * dims) - math.log2(LEVELS)
