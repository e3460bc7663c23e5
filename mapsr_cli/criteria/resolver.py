"""Constraint × criterion: the learner behind every super-resolution method."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mapsr_cli.criteria.base import Criterion, Learner, Patches, Player, Scalars, Stage, State
from mapsr_cli.networks import Constraint, Estimator
from mapsr_cli.operators import Point, to_levels

PEAK = 255
"""Largest level of the 8-bit files that `rounded` LR images imitate."""


def lr_patches(y: Tensor, constraint: Constraint, rounded: bool) -> Tensor:
    """Compute A y [N, C, h, w]; if `rounded`, as an 8-bit file stores it: clipped to [0, 1], in whole levels."""
    x = constraint.down(y)
    return to_levels(x * PEAK, PEAK) / PEAK if rounded else x


class SuperResolver(Learner):
    """A generator under a constraint and a criterion."""

    def __init__(self, estimator: Estimator, criterion: Criterion, rounded: bool = False) -> None:
        """Take `rounded` as `lr_patches` does."""
        self.criterion, self.rounded = criterion, rounded
        criterion.bind(estimator.constraint)
        self.generator = Player(estimator, criterion.config.optimiser(estimator))

    @property
    def constraint(self) -> Constraint:
        """The constraint, on the device."""
        constraint = self.generator.bare.constraint
        assert isinstance(constraint, Constraint)
        return constraint

    def players(self) -> Iterator[tuple[str, Player]]:
        """Yield the generator, then the criterion's players."""
        yield "generator", self.generator
        yield from self.criterion.players()

    def modules(self) -> Iterator[nn.Module]:
        """Return the criterion's modules."""
        return self.criterion.modules()

    def examples(self, stage: Stage) -> tuple[Tensor, Patches]:
        """Draw HR patches [N, C, H, W]; return their LR images x [N, C, h, w], A y or degraded, and them."""
        patches = stage.draw()
        if patches.x is not None:
            return patches.x, patches
        return lr_patches(patches.y, self.constraint, self.rounded), patches

    def step(self, stage: Stage) -> Scalars:
        """Train the judge, then the generator."""

        def sample() -> tuple[Tensor, Tensor]:
            x, patches = self.examples(stage)
            with torch.no_grad():
                estimate: Tensor = self.generator.bare(x, evidence=patches.evidence)
            return patches.y, estimate

        def objective() -> tuple[Tensor, Scalars]:
            x, patches = self.examples(stage)
            estimate = self.generator.network(x, evidence=patches.evidence)
            loss, report = self.criterion.loss(estimate, patches.target, stage.progress)
            penalty = self.constraint.penalty(estimate, patches.evidence or Point(x))
            if penalty is None:
                return loss, report
            return loss + penalty, {**report, "penalty": penalty.detach()}

        judged = self.criterion.prepare(stage, sample)
        return {**judged, **stage.update(self.generator, objective)}

    def state(self) -> State:
        """Return the criterion's state."""
        return self.criterion.state()

    def load_state(self, state: State) -> None:
        """Go on from `state()`."""
        self.criterion.load_state(state)
