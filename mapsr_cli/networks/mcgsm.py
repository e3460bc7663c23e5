"""Mixture of conditional Gaussian scale mixtures (Theis et al., 2012; Theis & Bethge, 2015): p(v | h), continuous."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.configs import Count


@dataclass(frozen=True)
class McgsmConfig:
    """Sizes and options of an Mcgsm."""

    components: Count = 32
    """Experts c, each with its own linear prediction."""
    scales: Count = 4
    """Variances s of each expert."""
    features: Count = 32
    """Quadratic features n that decide between experts."""
    floor: float = 1 / 256
    """Smallest standard deviation, in units of v: values that repeat cannot make the density infinite."""

    def __post_init__(self) -> None:
        if self.floor <= 0:
            raise ValueError(f"the floor must be positive, not {self.floor}")


class Mcgsm(nn.Module):
    """log p(v | h) for one value v and `inputs` features h, at each pixel of a map.

        p(v | h) = Σ_cs p(c, s | h) N(v; a_cᵀh + u_c, 1/λ_cs)
        p(c, s | h) ∝ exp(η_cs − ½ λ_cs hᵀK_c h),    K_c = Σ_n β²_cn b_n b_nᵀ

    The precision λ_cs is e^α_cs as in Theis & Bethge, but bounded: 1/λ = e^−α + floor². The same λ weighs the features'
    energy and the prediction's error, so gate and Gaussian share one exponent, −½ λ_cs (hᵀK_c h + error²). Chosen here:
    the offset u_c, and four scales, which the paper does not state.
    """

    def __init__(self, inputs: int, config: McgsmConfig) -> None:
        super().__init__()
        self.config = config
        shape = config.components, config.scales
        self.predictor = nn.Conv2d(inputs, config.components, 1)  # a_c, u_c
        self.features = nn.Conv2d(inputs, config.features, 1, bias=False)  # b_n
        self.energies = nn.Parameter(torch.full((config.components, config.features), 0.1 * config.features**-0.5))  # β
        self.weights = nn.Parameter(torch.zeros(shape))  # η
        spread = torch.logspace(0, -1.5, config.scales)  # standard deviations 1 … 0.03
        self.log_precisions = nn.Parameter((-2 * spread.log()).expand(shape).clone())  # α
        nn.init.normal_(self.features.weight, std=inputs**-0.5)
        nn.init.normal_(self.predictor.weight, std=0.5 * inputs**-0.5)
        nn.init.normal_(self.predictor.bias, std=0.5)  # type: ignore[arg-type]

    def forward(self, h: Tensor, v: Tensor) -> Tensor:
        """Compute log p(v | h) in nats for h [N, inputs, H, W] and v [N, 1, H, W], float32 or 64: [N, 1, H, W]."""
        energy = functional.conv2d(self.features(h).square(), _as_kernel(self.energies.square()))  # hᵀK_c h
        error = (v - self.predictor(h)).square()
        variance = (-self.log_precisions).exp() + self.config.floor**2
        joint = _log_sum(self.weights - 0.5 * (2 * math.pi * variance).log(), variance, energy + error)
        return joint - _log_sum(self.weights, variance, energy)


def _log_sum(weights: Tensor, variance: Tensor, form: Tensor) -> Tensor:
    """log Σ_cs exp(weights_cs − ½ form_c / variance_cs): [C, S], [C, S], [N, C, H, W] → [N, 1, H, W]."""
    exponents = torch.addcmul(_as_kernel(weights), _as_kernel(-0.5 / variance), form.unsqueeze(2))  # [N, C, S, H, W]
    return exponents.flatten(1, 2).logsumexp(dim=1, keepdim=True)


def _as_kernel(matrix: Tensor) -> Tensor:
    """Reshape [A, B] to a 1×1 convolution [A, B, 1, 1]."""
    return matrix.view(*matrix.shape, 1, 1)
