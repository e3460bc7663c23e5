"""Density guidance: the generator minimises the negative log-likelihood of its estimates, eqn (32)."""

from collections.abc import Iterator
from typing import ClassVar

from torch import Tensor, nn

from mapsr_cli.criteria.base import Criterion, CriterionConfig, Judge, Scalars
from mapsr_cli.criteria.snapshots import Snapshots
from mapsr_cli.networks import bits_per_dim


class DensityGuided(Criterion):
    """Minimises E[−log p(ŷ)], eqn (32), under density models from poor to good (Appendix E).

    Per dimension, in nats: −log p(ŷ)/(C·H·W), mean over images. An accurate model is so peaked around the data that a
    fresh generator finds no way there; hence the poor ones first.
    """

    needs: ClassVar[Judge] = "density"

    def __init__(self, config: CriterionConfig, judge: nn.Module | None = None) -> None:
        super().__init__(config, judge)
        assert isinstance(judge, Snapshots)
        self.snapshots = judge

    def loss(self, estimate: Tensor, truth: Tensor, progress: float) -> tuple[Tensor, Scalars]:
        """Compute −log p(ŷ) in nats per dimension; report bits: log₂ p of 8-bit levels, per dimension."""
        log_prob = self.snapshots.at(progress).network(estimate)  # [N]
        dims = estimate[0].numel()
        value = -log_prob.mean() / dims
        return value, {"loss": value.detach(), "bits": bits_per_dim(log_prob.detach(), dims).mean()}

    def modules(self) -> Iterator[nn.Module]:
        """Yield the density models."""
        yield self.snapshots
