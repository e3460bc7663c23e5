"""Several GANs a trial, and the one kept that ended nearest to the data: by its own discriminator, not by the truth.

Which way round a passage between the roll's arms a generator takes is a toss while the noise is wide, and what it took
it keeps. The criterion's own estimate of KL[q‖p_Y] (eqn 20: the mean of −logit, from samples of the data and of the
generator) tells in the end, without a look at what Table 1 measures, which start tossed well.
"""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor, nn

from mapsr_cli.criteria.gan import GAN
from mapsr_cli.criteria.resolver import SuperResolver
from mapsr_cli.experiments.swissroll.trials import rolls, run_learner
from mapsr_cli.training.assembly import make_learner
from mapsr_cli.training.loop import Tasks
from mapsr_cli.training.recipe import Recipe

MOMENTS = 180
"""Times along a training, evenly spaced, of which the late ones count."""
LATE = 40
"""Moments that count: one discriminator moves too much from step to step to be asked once."""
ASKED = 1000
"""Estimates that are judged at each."""


class Chosen(nn.Module):
    """Of `trials` × `starts` estimators side by side, one for each trial: [N, trials, 1, 1] → [N, trials, 1, 2]."""

    chosen: Tensor
    """A channel for each trial."""

    def __init__(self, estimator: nn.Module, starts: int, chosen: Tensor) -> None:
        super().__init__()
        self.estimator, self.starts = estimator, starts
        self.register_buffer("chosen", chosen)

    def forward(self, x: Tensor) -> Tensor:
        """Estimate by the chosen start of each trial from the trial's own x."""
        y: Tensor = self.estimator(x.repeat_interleave(self.starts, dim=1))
        return y[:, self.chosen]


@dataclass(eq=False)
class Contest:
    """Watches a training's late moments; a trial's starts are channels next to each other."""

    learner: SuperResolver
    trials: int
    starts: int
    seed: int
    divergences: list[Tensor] = field(default_factory=list)
    """KL[q‖p_Y] as the discriminators saw it, nats: [trials, starts] of each late moment."""

    def watch(self, result: nn.Module, number: int) -> None:
        """Ask the discriminators about the result at moment `number` of the training."""
        if number < MOMENTS - LATE:
            return
        assert isinstance(self.learner.criterion, GAN)
        y = next(rolls(ASKED, self.trials * self.starts, self.seed + number))
        with torch.no_grad():
            estimate = result(self.learner.constraint.down(y))
            divergence = self.learner.criterion.divergence(estimate, y, (number + 1) / MOMENTS).mean(dim=0)
        self.divergences.append(divergence.view(self.trials, self.starts))

    def decide(self, estimator: nn.Module) -> Chosen:
        """Choose the starts of the least mean divergence."""
        best = torch.stack(self.divergences).mean(dim=0).argmin(dim=1)
        return Chosen(estimator, self.starts, self.starts * torch.arange(self.trials) + best).eval()


def train_contest(recipe: Recipe, trials: int, starts: int, tasks: Tasks) -> Chosen:
    """Train `trials` × `starts` estimators side by side (the recipe's networks are as many), and choose."""
    learner = make_learner(recipe)
    assert isinstance(learner, SuperResolver)
    loop = replace(recipe.loop, snapshots=MOMENTS)
    contest = Contest(learner, trials, starts, loop.seed)
    entrants = trials * starts
    tasks = replace(tasks, snapshot=lambda run, number: contest.watch(run.result, number))
    return contest.decide(run_learner(learner, loop, recipe["data"].batch, entrants, tasks))
