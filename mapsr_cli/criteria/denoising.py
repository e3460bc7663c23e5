"""Learning to denoise: the denoiser of eqn (27), whose residual is the score of eqn (12)."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.criteria.annealing import Annealing, anneal, check_levels
from mapsr_cli.criteria.base import LearningConfig, PriorLearner, Scalars


@dataclass(frozen=True)
class DenoisingConfig(LearningConfig):
    """How a denoiser learns."""

    sigma_start: float = 0.5
    """Standard deviation of the noise at first, in image units. The paper: 0.5 for grass and the Swiss roll."""
    sigma_end: float = 0.01
    """Standard deviation of the noise at last. The paper: 0.01 for grass, 0.25 for the Swiss roll."""
    annealing: Annealing = "geometric"
    """How it falls between. Not read for a noise-conditional denoiser, which sees every level all along."""

    def __post_init__(self) -> None:
        check_levels(self.sigma_start, self.sigma_end)


class Denoising(PriorLearner):
    """f_σ = argmin E ‖f(y + ε) − y‖², ε ~ N(0, σ² I), eqns (12) and (27), while σ falls.

    A noise-conditional denoiser (`conditional` in its config) learns all levels at once instead: σ is drawn for each
    image, log-uniform between the two, and its squared error is divided by σ², so that no level drowns the others.
    """

    Config: ClassVar = DenoisingConfig
    config: DenoisingConfig

    def __init__(self, config: DenoisingConfig, network: nn.Module) -> None:
        super().__init__(config, network)
        self.conditional = bool(network.config.conditional)  # type: ignore[union-attr]

    def loss(self, y: Tensor, progress: float) -> tuple[Tensor, Scalars]:
        """Compute the mean squared error over pixels, relative to the noise's variance if conditional."""
        if self.conditional:
            return self._at_any_level(y)
        sigma = self.level(progress)
        value = functional.mse_loss(self.prior.network(y + sigma * torch.randn_like(y)), y)
        return value, {"loss": value.detach(), "sigma": sigma}

    def _at_any_level(self, y: Tensor) -> tuple[Tensor, Scalars]:
        low, high = self.config.sigma_end, self.config.sigma_start
        sigma = high * (low / high) ** torch.rand(y.shape[0], device=y.device, dtype=y.dtype)
        spread = sigma[:, None, None, None]
        denoised = self.prior.network(y + spread * torch.randn_like(y), sigma)
        value = ((denoised - y) / spread).square().mean()
        return value, {"loss": value.detach()}

    def level(self, progress: float) -> float:
        """Return σ; for a noise-conditional denoiser, the smallest that it was trained for."""
        if self.conditional:
            return self.config.sigma_end
        return anneal(self.config.sigma_start, self.config.sigma_end, progress, self.config.annealing)
