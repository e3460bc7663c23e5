"""Constraint × criterion: the learner behind every super-resolution method."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mapsr_cli.criteria.base import Criterion, Learner, Patches, Player, Report, Stage, State
from mapsr_cli.criteria.constraints import Constraint
from mapsr_cli.networks import noise_dim_of
from mapsr_cli.operators import to_levels

PEAK = 255
"""Of the files that `rounded` LR images are like."""


class Estimator(nn.Module):
    """ŷ = Π(f(x)), or Π(f(x, z)) with fresh noise maps z ~ N(0, I) where the generator reads some (Appendix F)."""

    def __init__(self, generator: nn.Module, constraint: Constraint) -> None:
        super().__init__()
        self.generator, self.constraint = generator, constraint

    @property
    def noise_dim(self) -> int:
        """Noise maps that the generator reads; 0: it is deterministic."""
        return noise_dim_of(self.generator)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, h, w] in [0, 1] → [N, C, H, W]."""
        features = x.contiguous(memory_format=torch.channels_last)
        z = None
        if self.noise_dim:
            z = torch.randn(x.shape[0], self.noise_dim, *x.shape[2:], device=x.device, dtype=x.dtype)
        f: Tensor = self.generator(features, z).float().contiguous()
        estimate: Tensor = self.constraint(f, x)
        return estimate


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
        found = self.generator.bare.constraint
        assert isinstance(found, Constraint)
        return found

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
            penalty = self.constraint.penalty(estimate, x)
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
