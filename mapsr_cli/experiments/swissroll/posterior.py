"""The exact posterior along the line that an LR value allows, and the estimates that are best under it."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from mapsr_cli.experiments.swissroll.truth import on_line, roll_density

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
    def of(cls, x: Tensor, density: Callable[[Tensor], Tensor] = roll_density) -> "Posterior":
        """Make the posterior of x: the density of y [..., 2] → [...] on the line, normalised."""
        t = torch.arange(-REACH, REACH, STEP)
        prior = torch.stack([density(on_line(value, t)).double() for value in x])
        return cls(x, t, (prior / prior.sum(dim=1, keepdim=True).clamp_min(1e-300)).float())

    def mean(self) -> Tensor:
        """Return the Bayes-optimal estimate under MSE: [N, 2]. It is affine-consistent of itself."""
        return on_line(self.x, (self.weights * self.t).sum(dim=1))

    def median(self) -> Tensor:
        """Return the Bayes-optimal estimate under MAE: [N, 2].

        Both pixels depend on t alone, so it is t's median, and affine-consistent of itself."""
        below = self.weights.cumsum(dim=1)
        return on_line(self.x, self.t[(below >= 0.5).int().argmax(dim=1)])

    def sample(self, generator: torch.Generator) -> Tensor:
        """Draw a y for each x: [N, 2]; what a generator with KL[q‖p_Y] = 0 does."""
        drawn = torch.multinomial(self.weights, 1, generator=generator)[:, 0]
        return on_line(self.x, self.t[drawn])
