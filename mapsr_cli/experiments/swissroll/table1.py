"""Table 1: the cross-entropy H[q, p_Y] of every method on the Swiss roll, its gap to MAP, and MSE(x, Aŷ)."""

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor, nn

from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.criteria.snapshots import Snapshots
from mapsr_cli.experiments.order import Order
from mapsr_cli.experiments.printed import NO_NOISE, PLAIN
from mapsr_cli.experiments.swissroll.posterior import Posterior
from mapsr_cli.experiments.swissroll.starts import Chosen, train_contest
from mapsr_cli.experiments.swissroll.trials import estimates, recipe_of, train_prior, train_trials
from mapsr_cli.experiments.swissroll.truth import DensityMap, KernelDensity, downscaled, map_estimates, paper_density
from mapsr_cli.training.loop import Tasks, Watch
from mapsr_cli.training.recipe import Recipe
from mapsr_cli.training.settings import SectionValues, merge

Priors = dict[str, Snapshots | None]
TESTED = 1000
"""x's that every trial is tested on."""
PAPER: dict[str, tuple[float, float | None]] = {
    "map": (3.15, None),
    "mse": (9.10, 1.25e-2),
    "mae": (6.30, 4.04e-2),
    "affgan": (4.10, 0.0),
    "softgan": (4.25, 8.87e-2),
    "affdg": (3.81, 0.0),
    "softdg": (4.19, 1.01e-1),
}
"""H and MSE(x, Aŷ) as printed."""


@dataclass(frozen=True)
class StepCounts:
    """How long each kind of training is."""

    squared: int
    """Steps of MSE."""
    absolute: int
    """Steps of MAE, whose best estimate jumps from arm to arm."""
    gan: int
    """Steps of a GAN's generator."""
    guided: int
    """Steps of a generator that follows a denoiser."""
    denoiser: int
    """Steps of the denoiser."""
    likely: int
    """Steps of a generator that follows a density model; each costs several of the others'."""
    density: int
    """Steps of the density model."""


BUDGETS = {
    "smoke": StepCounts(20, 20, 5, 20, 20, 20, 20),
    "cpu": StepCounts(squared=2000, absolute=24_000, gan=1800, guided=5000, denoiser=3000, likely=1500, density=1500),
    "paper": StepCounts(20_000, 20_000, 20_000, 20_000, 20_000, 20_000, 20_000),
}


def length_of(order: Order) -> StepCounts:
    """Return how long the trainings of an order are."""
    return BUDGETS[order.budget] if order.steps is None else StepCounts(*[order.steps] * len(fields(StepCounts)))


@dataclass(frozen=True)
class MethodRow:
    """A row that is trained: a method with settings of its own."""

    method: str
    kind: str
    """Which of the budget's lengths."""
    settings: SectionValues = field(default_factory=dict)
    starts: int = 1
    """GANs that each trial starts with; it keeps one of them (see `starts`)."""


SIDED: SectionValues = {"criterion": {"content": 0.3}}
"""Weak beside D's gradients but while noise is wide: then the absolute error decides by which side of the diagonal the
curve goes, which D leaves to a toss (docs/log/swissroll.md)."""
ROWS = {
    "mse": MethodRow("mse", "squared"),
    "mae": MethodRow("mae", "absolute"),
    "affmse": MethodRow("affmse", "squared"),
    "affmae": MethodRow("affmae", "absolute"),
    "affgan": MethodRow("affgan", "gan", starts=3),
    "softgan": MethodRow("softgan", "gan", starts=3),
    "affgan-content": MethodRow("affgan", "gan", SIDED),
    "affgan-z": MethodRow("affgan", "gan", {"generator": {"noise_dim": 2}}),
    "affdg": MethodRow("affdg", "guided"),
    "softdg": MethodRow("softdg", "guided"),
    "affll": MethodRow("affll", "likely"),
}
"""The paper's rows and, beyond it, the affine twins of MSE and MAE, AffGAN with an absolute error, a stochastic one,
and AffLL."""


AS_PRINTED: SectionValues = merge(PLAIN, {"criterion": {"sigma_start": 0.5, "sigma_end": 0.25, "noisy": True}})
"""The denoiser's noise, and f_σ(ỹ) as eqn (29) has it."""
PRINTED_ROWS = {
    "mse": MethodRow("mse", "squared", PLAIN),
    "mae": MethodRow("mae", "absolute", PLAIN),
    "affgan": MethodRow("affgan", "gan", merge(PLAIN, NO_NOISE)),
    "softgan": MethodRow("softgan", "gan", merge(PLAIN, NO_NOISE)),
    "affdg": MethodRow("affdg", "guided", AS_PRINTED),
    "softdg": MethodRow("softdg", "guided", AS_PRINTED),
}
"""Budget `paper`: the paper's rows alone, one start each, by what it prints."""


def rows_of(budget: str) -> Mapping[str, MethodRow]:
    """Return what a budget trains, by name."""
    return PRINTED_ROWS if budget == "paper" else ROWS


@dataclass(frozen=True)
class TrialScores:
    """A method's figures, one per trial."""

    entropies: list[float]
    """H[q, p_Y], nats."""
    medians: list[float]
    """Median of −log p(ŷ): H without the outliers that rule it."""
    consistency: list[float]
    """MSE(x, Aŷ)."""
    seconds: float | None = None
    """Of the processor, to train them; None: nothing was trained."""
    starts: list[list[float]] = field(default_factory=list)
    """H of every start of each trial, where there are several; those that were not kept, too."""

    def to_json(self, floor: float) -> dict[str, Any]:
        """Return means and deviations, and the gap to MAP."""
        spread = stdev(self.entropies) if len(self.entropies) > 1 else 0.0
        return {
            "h": mean(self.entropies),
            "h_std": spread,
            "gap": mean(self.entropies) - floor,
            "median": mean(self.medians),
            "consistency_mse": mean(self.consistency),
            **({} if self.seconds is None else {"seconds": self.seconds}),
            "trials": self.entropies,
            **({"starts": self.starts} if self.starts else {}),
        }


def score(density: KernelDensity, x: Tensor, y: Tensor) -> tuple[float, float, float]:
    """Compute H, median information and MSE(x, Aŷ) of estimates y [N, 2] for x [N]."""
    entropy, median = density.cross_entropy(y)
    return entropy, median, (y.double().mean(dim=1) - x.double()).square().mean().item()


def settings_of(row: MethodRow, budget: StepCounts, seed: int, trials: int) -> SectionValues:
    """Make the settings: length, seed, and as many noise maps as there are trials."""
    own: SectionValues = {"loop": {"steps": getattr(budget, row.kind), "seed": seed, "log_steps": 200, "warmup": 50}}
    if METHODS[row.method].needs in PRIORS:
        own["prior"] = {"steps": getattr(budget, METHODS[row.method].needs)}
    settings = merge(own, row.settings)
    if noise := settings.get("generator", {}).get("noise_dim"):
        settings["generator"] = {**settings["generator"], "noise_dim": noise * trials}
    return settings


@dataclass(frozen=True, eq=False)
class Examination:
    """What every method is tested on."""

    density: KernelDensity
    x: Tensor
    map: Tensor
    """Brute-force MAP estimates [N, 2]."""

    @classmethod
    def make(cls, tested: int = TESTED) -> "Examination":
        """Draw x from the data and find MAP by brute force."""
        density, x = paper_density(), downscaled(tested)
        return cls(density, x, map_estimates(x, density, DensityMap.of(density)))


def exact_estimators(test: Examination, samples: int, seed: int) -> dict[str, TrialScores]:
    """Score what the objectives ask for: the posterior's mean (the least MSE), its median (the least MAE), and samples
    of it, drawn so many times (KL[q‖p_Y] = 0: a stochastic GAN's). All three are consistent of themselves.
    """
    posterior = Posterior.of(test.x)
    generator = torch.Generator().manual_seed(seed)
    drawn = [posterior.sample(generator) for _ in range(samples)]
    answers = {"mean": [posterior.mean()], "median": [posterior.median()], "sample": drawn}
    return {name: _scores(test, estimates) for name, estimates in answers.items()}


def row_recipe(row: MethodRow, budget: StepCounts, trials: int, seed: int) -> Recipe:
    """Make the recipe of a row's networks, `trials` × starts side by side."""
    networks = trials * row.starts
    return recipe_of(row.method, networks, settings_of(row, budget, seed, networks))


def fingerprint(row: MethodRow, budget: StepCounts, trials: int, seed: int) -> str:
    """Compute the SHA-256 of all settings that decide a row's figures."""
    recipe = row_recipe(row, budget, trials, seed)
    decides = {"method": recipe.method, "sections": recipe.settings, "starts": row.starts}
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()


def steps_of(row: MethodRow, budget: StepCounts) -> dict[str, int]:
    """Count a row's own steps, and those of the prior that it follows."""
    own, needs = {"steps": getattr(budget, row.kind)}, METHODS[row.method].needs
    return {**own, "prior_steps": getattr(budget, needs)} if needs in PRIORS else own


def run_row(
    row: MethodRow, test: Examination, budget: StepCounts, trials: int, seed: int, watch: Watch, priors: Priors
) -> tuple[TrialScores, nn.Module]:
    """Train a row's trials side by side and score each; the scores, and the estimators.

    `priors` holds what was trained before, by kind: AffDG and SoftDG follow the same denoisers.
    """
    began = time.process_time()
    recipe, needs = row_recipe(row, budget, trials, seed), METHODS[row.method].needs
    if needs not in priors:
        priors[needs] = train_prior(recipe, trials, Tasks(watch=watch))
    if row.starts > 1:
        estimator: nn.Module = train_contest(recipe, trials, row.starts, Tasks(watch=watch))
    else:
        estimator = train_trials(recipe, trials, priors[needs], Tasks(watch=watch))
    seconds = time.process_time() - began
    torch.manual_seed(seed)  # of the stochastic one's noise
    scores = _scores(test, estimates(estimator, test.x, trials))
    return replace(scores, seconds=seconds, starts=_of_starts(estimator, test, trials)), estimator


def _scores(test: Examination, answers: Iterable[Tensor]) -> TrialScores:
    """Score each trial's estimates [N, 2]."""
    scores = [score(test.density, test.x, y) for y in answers]
    entropies, medians, consistency = (list(column) for column in zip(*scores, strict=True))
    return TrialScores(entropies, medians, consistency)


def _of_starts(estimator: nn.Module, test: Examination, trials: int) -> list[list[float]]:
    if not isinstance(estimator, Chosen):
        return []
    each = estimates(estimator.estimator, test.x, trials * estimator.starts)
    entropies = [test.density.cross_entropy(y)[0] for y in each]
    return [entropies[first : first + estimator.starts] for first in range(0, len(entropies), estimator.starts)]
