"""Constraint × criterion: the learner behind every super-resolution method."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mapsr_cli.criteria.base import Criterion, Learner, Patches, Player, Report, Stage, State
from mapsr_cli.networks import Constraint, Estimator
from mapsr_cli.operators import Point, to_levels

PEAK = 255
"""Of the files that `rounded` LR images are like."""


def lr_patches(y: Tensor, constraint: Constraint, rounded: bool) -> Tensor:
    """A y [N, C, h, w]; if `rounded`, as 8-bit files have it: clipped to [0, 1], in whole levels."""
    x = constraint.down(y)
    return to_levels(x * PEAK, PEAK) / PEAK if rounded else x


class SuperResolver(Learner):
    """A generator under a constraint and a criterion."""

    def __init__(self, estimator: Estimator, criterion: Criterion, rounded: bool = False) -> None:
        """`rounded`: see `lr_patches`."""
        self.criterion, self.rounded = criterion, rounded
        self.generator = Player(estimator, criterion.config.optimiser(estimator))

    @property
    def constraint(self) -> Constraint:
        """The constraint, on the device."""
        constraint = self.generator.bare.constraint
        assert isinstance(constraint, Constraint)
        return constraint

    def players(self) -> Iterator[tuple[str, Player]]:
        """The generator, then the criterion's."""
        yield "generator", self.generator
        yield from self.criterion.players()

    def modules(self) -> Iterator[nn.Module]:
        """The criterion's."""
        return self.criterion.modules()

    def examples(self, stage: Stage) -> tuple[Tensor, Patches]:
        """Draw HR patches [N, C, H, W]; return their LR images x [N, C, h, w] and them."""
        patches = stage.draw()
        return lr_patches(patches.y, self.constraint, self.rounded), patches

    def step(self, stage: Stage) -> Report:
        """Train what judges, then the generator."""

        def sample() -> tuple[Tensor, Tensor]:
            x, patches = self.examples(stage)
            with torch.no_grad():
                estimate: Tensor = self.generator.bare(x)
            return patches.y, estimate

        def objective() -> tuple[Tensor, Report]:
            x, patches = self.examples(stage)
            estimate = self.generator.network(x)
            loss, report = self.criterion.loss(estimate, patches.target, stage.progress)
            penalty = self.constraint.penalty(estimate, Point(x))
            if penalty is None:
                return loss, report
            return loss + penalty, {**report, "penalty": penalty.detach()}

        judged = self.criterion.prepare(stage, sample)
        return {**judged, **stage.update(self.generator, objective)}

    def state(self) -> State:
        """The criterion's."""
        return self.criterion.state()

    def load_state(self, state: State) -> None:
        """Go on from `state()`."""
        self.criterion.load_state(state)
