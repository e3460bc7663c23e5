"""Structural re-parametrisation: a 3×3 convolution is trained as the sum of itself and a chain of three.

Its kernel is K = W + G∘M∘S: the plain kernel and a chain of a 1×1, a 3×3 and a 1×1 convolution between more maps, which
are linear, so their composition is a 3×3 kernel, too. It changes the path of the descent and costs nothing in use
(Ding et al., 2021, arXiv:2103.13425; Zhang et al., 2021, doi 10.1145/3474085.3475291). Kernels are composed, not maps
(Bhardwaj et al., 2022, arXiv:2103.09404): that costs next to nothing in training, either, and is the same at borders,
where a padded chain is not.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

EXPANSION = 2
"""Maps inside the chain, as multiples of those that come in."""


class Chain(nn.Module):
    """W → W + G∘M∘S."""

    def __init__(self, weight: Tensor) -> None:
        """Initialise for a kernel [outputs, inputs, 3, 3]; K has the variance of `weight` if W = √½ · weight."""
        super().__init__()
        outputs, inputs, *size = weight.shape
        maps = EXPANSION * inputs
        self.spread = nn.Parameter(torch.empty(maps, inputs))
        self.mix = nn.Parameter(torch.empty(maps, maps, *size))
        self.gather = nn.Parameter(torch.empty(outputs, maps))
        nn.init.normal_(self.spread, std=inputs**-0.5)
        nn.init.normal_(self.mix, std=maps**-0.5)
        # Of a sum of maps² products each, and half of the variance.
        nn.init.normal_(self.gather, std=(0.5 / maps) ** 0.5)
        with torch.no_grad():
            self.gather.mul_(weight.std() * math.sqrt(inputs))

    def forward(self, weight: Tensor) -> Tensor:
        """Compute K of W, [outputs, inputs, 3, 3] both."""
        return weight + torch.einsum("oa,abyx,bi->oiyx", self.gather, self.mix, self.spread)


def expand(conv: nn.Conv2d) -> None:
    """Train `conv` so from now on: `conv.weight` is then K, drawn anew in part, with the variance that W had."""
    chain = Chain(conv.weight)
    with torch.no_grad():
        conv.weight.mul_(math.sqrt(0.5))
    parametrize.register_parametrization(conv, "weight", chain)
