"""Denoiser guidance: the generator follows the score that a denoiser gives, eqns (11), (12) and (27)–(30)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mapsr_cli.criteria.annealing import Annealing, anneal, check_levels
from mapsr_cli.criteria.base import Criterion, CriterionConfig, Judge, Scalars
from mapsr_cli.criteria.snapshots import Snapshots


@dataclass(frozen=True)
class DenoiserGuidedConfig(CriterionConfig):
    """How a generator follows a denoiser."""

    noisy: bool = True
    """Denoise ỹ = ŷ + ε, as the denoiser was trained to; otherwise ŷ itself, which smooths less but is new to it."""
    sigma_start: float = 0.5
    """Noise level at first, in image units, for a noise-conditional denoiser; snapshots bring their own levels."""
    sigma_end: float = 0.01
    """Noise level at last, for a noise-conditional denoiser."""
    annealing: Annealing = "geometric"
    """How it falls between, for a noise-conditional denoiser."""

    def __post_init__(self) -> None:
        check_levels(self.sigma_start, self.sigma_end)


class DenoiserGuided(Criterion):
    """Gradient ascent on E log p(ŷ) with ∂/∂ŷ log p estimated by s = (f_σ(ŷ + ε) − ŷ)/σ², ε ~ N(0, σ² I).

    Eqn (29) prints f_σ(ỹ) − y. Whether that y is ŷ or ỹ = ŷ + ε, the mean is the same, as E ε = 0: by Tweedie's
    f*_σ(ỹ) − ỹ = σ² ∇log p_σ(ỹ) it is the gradient of E log p_σ(ŷ + ε), with p_σ = p_Y ∗ N(0, σ² I). What is left of ε
    in s is noise: with ŷ the part that the denoiser keeps, with ỹ the part that it removes. In images nearly all of it
    is removed, so ŷ. With `noisy` off, s is ∇log p_σ(ŷ) itself.

    The loss is −mean(s · ŷ) over images, colours and pixels, with s constant: its gradient with respect to ŷ is
    −s/(N·C·H·W), that of the negative log-density in nats per dimension. Its value means nothing; what falls
    towards zero in training is the root mean square of s.
    """

    Config: ClassVar = DenoiserGuidedConfig
    needs: ClassVar[Judge] = "denoiser"
    config: DenoiserGuidedConfig

    def __init__(self, config: DenoiserGuidedConfig, judge: nn.Module | None = None) -> None:
        super().__init__(config, judge)
        assert isinstance(judge, Snapshots)
        self.snapshots = judge

    def loss(self, estimate: Tensor, truth: Tensor, progress: float) -> tuple[Tensor, Scalars]:
        """Compute a loss with the gradient −s/(N·C·H·W); report σ and the root mean square of s."""
        score, sigma = self.score(estimate.detach(), progress)
        return -(score * estimate).mean(), {"sigma": sigma, "score": score.square().mean().sqrt()}

    @torch.no_grad()
    def score(self, y: Tensor, progress: float) -> tuple[Tensor, float]:
        """Estimate s for y [N, C, H, W], the same shape; return it and σ."""
        network, sigma = self._denoiser(progress)
        noise = sigma * torch.randn_like(y) if self.config.noisy else 0.0
        return (network(y + noise, sigma) - y) / sigma**2, sigma

    def _denoiser(self, progress: float) -> tuple[nn.Module, float]:
        """Choose the snapshot for `progress`, ever less noisy; of a noise-conditional denoiser the last, and its σ."""
        best = self.snapshots.best.network
        if best.config.conditional:  # type: ignore[union-attr]
            config = self.config
            return best, anneal(config.sigma_start, config.sigma_end, progress, config.annealing)
        snapshot = self.snapshots.at(progress)
        return snapshot.network, snapshot.level

    def modules(self) -> Iterator[nn.Module]:
        """Yield the denoisers."""
        yield self.snapshots
