"""Train a method on the Swiss roll, ten trials side by side: the same recipes, criteria and loop as for images."""

import copy
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mapsr_cli.criteria.base import Learner, Patches
from mapsr_cli.criteria.density import MaximumLikelihood, MaximumLikelihoodConfig
from mapsr_cli.criteria.methods import METHODS
from mapsr_cli.criteria.snapshots import Snapshot, Snapshots
from mapsr_cli.networks import DensityConfig, build
from mapsr_cli.training.assembly import make_learner
from mapsr_cli.training.config import LoopConfig
from mapsr_cli.training.data import swiss_roll
from mapsr_cli.training.engine import Engine
from mapsr_cli.training.loop import Tasks, Watch, train
from mapsr_cli.training.processes import make_accelerator
from mapsr_cli.training.recipe import Recipe, make_recipe
from mapsr_cli.training.run import Run
from mapsr_cli.training.settings import SectionValues, merge


class EachChannel(nn.Module):
    """One density model per channel: log p of channels that know nothing of each other, summed."""

    def __init__(self, config: DensityConfig, channels: int) -> None:
        super().__init__()
        self.models = nn.ModuleList(build(config) for _ in range(channels))

    def forward(self, y: Tensor) -> Tensor:
        """Sum log p over the trials: [N, channels, 1, 2] → [N], in nats."""
        parts = [model(part) for model, part in zip(self.models, torch.split(y, 1, dim=1), strict=True)]
        return torch.stack(parts).sum(dim=0)


def rolls(batch: int, trials: int, seed: int) -> Iterator[Tensor]:
    """Yield [batch, trials, 1, 2] without end: independent points for every trial."""
    rng = np.random.default_rng(seed)
    while True:
        points = swiss_roll(rng, batch * trials)
        yield torch.from_numpy(points).view(batch, trials, 1, 2)


def run_learner(learner: Learner, loop: LoopConfig, batch: int, trials: int, tasks: Tasks) -> nn.Module:
    """Train to the end; the averaged result."""
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder), learner, Engine(loop, make_accelerator("cpu", "fp32")), loop)
        run.engine.feed(map(Patches, rolls(batch, trials, loop.seed)))
        train(run, tasks)
        return run.result


def side_by_side(trials: int) -> SectionValues:
    """Make networks for so many trials: each channel of an image is one."""
    shared = {"colours": trials, "groups": trials}
    return {"generator": shared, "discriminator": shared, "denoiser": shared}


def recipe_of(method: str, trials: int, settings: SectionValues) -> Recipe:
    """Make the method's recipe on the Swiss roll, with `settings` on top."""
    wide = side_by_side(trials)
    bare = make_recipe(method, "swissroll", {})
    fitting = {section: values for section, values in wide.items() if section in bare.sections}
    return make_recipe(method, "swissroll", merge(fitting, settings))


def train_prior(recipe: Recipe, trials: int, tasks: Tasks) -> Snapshots | None:
    """Train the priors that the recipe's criterion follows, one per trial; None if it follows none."""
    needs = METHODS[recipe.method].needs
    if needs == "denoiser":
        return _denoisers(recipe, trials, tasks)
    return _densities(recipe, trials, tasks) if needs == "density" else None


def train_trials(recipe: Recipe, trials: int, snapshots: Snapshots | None, tasks: Tasks) -> nn.Module:
    """Train estimators of `trials` independent trials in one network: [N, trials, 1, 1] → [N, trials, 1, 2]."""
    return run_learner(make_learner(recipe, snapshots), recipe.loop, recipe["data"].batch, trials, tasks)


def _prior_loop(recipe: Recipe) -> LoopConfig:
    """Return the length of the recipe's prior, with the recipe's schedule and average."""
    prior, loop = recipe["prior"], recipe.loop
    steps, average, final_rate = prior.steps, loop.average, loop.final_rate
    return LoopConfig(steps, average=average, final_rate=final_rate, snapshots=prior.snapshots, seed=loop.seed + 1)


def _kept(learner: Learner, recipe: Recipe, trials: int, tasks: Tasks) -> Snapshots:
    """Train a prior and keep its snapshots in memory."""
    snapshots: list[Snapshot] = []

    def keep(run: Run, number: int) -> None:
        snapshots.append(Snapshot(learner.level(run.progress), copy.deepcopy(run.result)))

    loop = _prior_loop(recipe)
    run_learner(learner, loop, recipe["data"].batch, trials, Tasks(snapshot=keep, watch=tasks.watch))
    return Snapshots(snapshots)


def _denoisers(recipe: Recipe, trials: int, tasks: Tasks) -> Snapshots:
    guided = recipe["criterion"]
    levels = {"sigma_start": guided.sigma_start, "sigma_end": guided.sigma_end}
    shared = {"colours": trials, "groups": trials, "conditional": recipe["denoiser"].conditional}
    own = make_recipe(
        "denoiser", "swissroll", {"criterion": levels, "denoiser": shared, "loop": {"seed": recipe.loop.seed + 1}}
    )
    return _kept(make_learner(own), recipe, trials, tasks)


def _densities(recipe: Recipe, trials: int, tasks: Tasks) -> Snapshots:
    torch.manual_seed(recipe.loop.seed + 1)
    network = EachChannel(recipe["density"], trials)
    learner = MaximumLikelihood(MaximumLikelihoodConfig(dequantise=0.0), network)
    return _kept(learner, recipe, trials, tasks)


def estimates(estimator: nn.Module, x: Tensor, trials: int) -> Tensor:
    """Compute every trial's ŷ for the same x [N] → [trials, N, 2]."""
    with torch.inference_mode():
        y: Tensor = estimator(x[:, None, None, None].expand(-1, trials, 1, 1).contiguous())
    return y[:, :, 0].transpose(0, 1)


def denoiser_score(at: Tensor, settings: SectionValues, steps: int, seed: int, watch: Watch) -> Tensor:
    """Compute (f_σ(y) − y)/σ², eqn (12), of one denoiser at its least σ, for y [N, 2] → [N, 2].

    `settings`: of the method that follows it.
    """
    own: SectionValues = {"loop": {"seed": seed, "steps": 1}, "prior": {"steps": steps}}
    recipe = recipe_of("affdg", 1, merge(settings, own))
    best = _denoisers(recipe, 1, Tasks(watch=watch)).best
    y = at[:, None, None, :]
    with torch.inference_mode():
        score: Tensor = (best.network(y, best.level) - y) / best.level**2
    return score[:, 0, 0]
