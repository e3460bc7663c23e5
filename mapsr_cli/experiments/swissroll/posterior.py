"""The exact posterior along the line that an LR value allows, and the estimates that are best under it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mapsr_cli.experiments.swissroll.truth import DensityMap, on_line

REACH = 12.0
STEP = 0.01


@dataclass(frozen=True, eq=False)
class Posterior:
    """p(y | x) for x [N], as weights on points (x + t, x − t)."""

    x: Tensor
    t: Tensor
    """[M] positions along the line."""
    weights: Tensor
    """[N, M], summing to one over M."""

    @classmethod
    def of(cls, x: Tensor, grid: DensityMap) -> "Posterior":
        """Make the posterior of x: the prior on the line, normalised."""
        t = torch.arange(-REACH, REACH, STEP)
        prior = torch.stack([grid.prob(on_line(value, t)) for value in x]).double()
        return cls(x, t, (prior / prior.sum(dim=1, keepdim=True).clamp_min(1e-300)).float())

    def mean(self) -> Tensor:
        """Return the Bayes-optimal estimate under MSE: [N, 2]."""
        return on_line(self.x, (self.weights * self.t).sum(dim=1))

    def median(self) -> Tensor:
        """Return the Bayes-optimal estimate under MAE: [N, 2]; both pixels depend on t alone, so it is t's median."""
        below = self.weights.cumsum(dim=1)
        return on_line(self.x, self.t[(below >= 0.5).int().argmax(dim=1)])
