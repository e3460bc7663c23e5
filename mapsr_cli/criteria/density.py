"""Maximum likelihood: the density model of eqn (31)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from mapsr_cli.criteria.base import LearningConfig, PriorLearner, Scalars
from mapsr_cli.errors import UsageError
from mapsr_cli.networks import bits_per_dim


@dataclass(frozen=True)
class MaximumLikelihoodConfig(LearningConfig):
    """How a density model learns."""

    dequantise: float = 1 / 255
    """Width of the uniform noise on each value, in image units: one level of an 8-bit image. 0 for continuous data.

    8-bit values repeat, so a density that narrows around them grows without bound. With noise as wide as a level, the
    log-density is at most the log-probability of the levels (Theis et al., 2016).
    """

    def __post_init__(self) -> None:
        if self.muon_rate:
            raise UsageError("muon_rate must be 0 for a density model: its mixtures are no layers")


class MaximumLikelihood(PriorLearner):
    """Maximises E log p(y), eqn (31)."""

    Config: ClassVar = MaximumLikelihoodConfig
    config: MaximumLikelihoodConfig

    def loss(self, y: Tensor, progress: float) -> tuple[Tensor, Scalars]:
        """Compute −log p in nats per dimension; report bits: log₂ p of 8-bit levels, per dimension."""
        if self.config.dequantise:
            y = y + self.config.dequantise * (torch.rand_like(y) - 0.5)
        log_prob = self.prior.network(y)  # [N]
        dims = y[0].numel()
        value = -log_prob.mean() / dims
        return value, {"loss": value.detach(), "bits": bits_per_dim(log_prob.detach(), dims).mean()}
