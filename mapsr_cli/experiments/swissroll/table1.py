"""Table 1: the cross-entropy H[q, p_Y] of every method on the Swiss roll, its gap to MAP, and MSE(x, Aŷ)."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor, nn

from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.criteria.resolver import Estimator
from mapsr_cli.criteria.snapshots import Snapshots
from mapsr_cli.experiments.swissroll.trials import estimates, recipe_of, train_prior, train_trials
from mapsr_cli.experiments.swissroll.truth import DensityMap, KernelDensity, downscaled, map_estimates, paper_density
from mapsr_cli.training.loop import Status, Tasks
from mapsr_cli.training.settings import Settings, merge

Watch = Callable[[str, Status], None]
"""Called with a row's name and how far it is."""
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
class Budget:
    """How long each kind of training is."""

    regression: int
    """Steps of MSE and MAE."""
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
    "smoke": Budget(20, 5, 20, 20, 20, 20),
    "cpu": Budget(regression=1200, gan=1800, guided=3500, denoiser=2000, likely=1000, density=1200),
    "paper": Budget(20_000, 20_000, 20_000, 20_000, 20_000, 20_000),
}


@dataclass(frozen=True)
class Entry:
    """A row that is trained: a method with settings of its own."""

    method: str
    kind: str
    """Which of the budget's lengths."""
    settings: Settings = field(default_factory=dict)
    init: str | None = None
    """The row whose generators it starts from; None: fresh ones."""


ROWS = {
    "mse": Entry("mse", "regression"),
    "mae": Entry("mae", "regression"),
    "affmse": Entry("affmse", "regression"),
    "affmae": Entry("affmae", "regression"),
    "affgan": Entry("affgan", "gan", init="affmse"),
    "softgan": Entry("softgan", "gan", init="mse"),
    "affgan-z": Entry("affgan", "gan", {"generator": {"noise_dim": 2}}),
    "affdg": Entry("affdg", "guided"),
    "softdg": Entry("softdg", "guided"),
    "affll": Entry("affll", "likely"),
}
"""The paper's rows and, beyond it, the affine twins of MSE and MAE, a stochastic AffGAN and AffLL."""


@dataclass(frozen=True)
class Row:
    """A method's figures, one per trial."""

    entropies: list[float]
    """H[q, p_Y], nats."""
    medians: list[float]
    """Median of −log p(ŷ): H without the outliers that rule it."""
    consistency: list[float]
    """MSE(x, Aŷ)."""
    seconds: float

    def to_json(self, floor: float) -> dict[str, Any]:
        """Means and deviations, and the gap to MAP."""
        spread = stdev(self.entropies) if len(self.entropies) > 1 else 0.0
        return {
            "h": mean(self.entropies),
            "h_std": spread,
            "gap": mean(self.entropies) - floor,
            "median": mean(self.medians),
            "consistency_mse": mean(self.consistency),
            "seconds": self.seconds,
            "trials": self.entropies,
        }


def score(density: KernelDensity, x: Tensor, y: Tensor) -> tuple[float, float, float]:
    """H, median information and MSE(x, Aŷ) of estimates y [N, 2] for x [N]."""
    entropy, median = density.cross_entropy(y)
    return entropy, median, (y.double().mean(dim=1) - x.double()).square().mean().item()


def settings_of(entry: Entry, budget: Budget, seed: int, trials: int) -> Settings:
    """Length, seed, and as many noise maps as there are trials."""
    own: Settings = {"loop": {"steps": getattr(budget, entry.kind), "seed": seed, "log_steps": 200, "warmup": 50}}
    if METHODS[entry.method].needs in PRIORS:
        own["prior"] = {"steps": getattr(budget, METHODS[entry.method].needs)}
    settings = merge(own, entry.settings)
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
        """x drawn from the data, MAP by brute force."""
        density, x = paper_density(), downscaled(tested)
        return cls(density, x, map_estimates(x, density, DensityMap.of(density)))


class Bench:
    """Trains rows as they are asked for, each once, with what it starts from or follows."""

    def __init__(self, test: Examination, budget: Budget, trials: int, seed: int, watch: Watch) -> None:
        self.test, self.budget, self.trials, self.seed, self.watch = test, budget, trials, seed, watch
        self.priors: dict[str, Snapshots | None] = {}
        """By kind: AffDG and SoftDG follow the same denoisers."""
        self.trained: dict[str, tuple[Row, Estimator]] = {}

    def row(self, name: str) -> Row:
        """A row's figures."""
        return self._get(name)[0]

    def estimator(self, name: str) -> Estimator:
        """A row's trials, side by side: [N, trials, 1, 1] → [N, trials, 1, 2]."""
        return self._get(name)[1]

    def start(self, entry: Entry) -> nn.Module | None:
        """The generators that a row starts from."""
        return None if entry.init is None else self.estimator(entry.init).generator

    def _get(self, name: str) -> tuple[Row, Estimator]:
        if name not in self.trained:
            self.trained[name] = self._train(name)
        return self.trained[name]

    def _train(self, name: str) -> tuple[Row, Estimator]:
        entry, test, tasks = ROWS[name], self.test, Tasks(watch=partial(self.watch, name))
        start = self.start(entry)
        began = time.perf_counter()
        recipe = recipe_of(entry.method, self.trials, settings_of(entry, self.budget, self.seed, self.trials))
        needs = METHODS[entry.method].needs
        if needs not in self.priors:
            self.priors[needs] = train_prior(recipe, self.trials, tasks)
        estimator = train_trials(recipe, self.trials, self.priors[needs], tasks, start)
        seconds = time.perf_counter() - began
        torch.manual_seed(self.seed)  # of the stochastic one's noise
        scores = [score(test.density, test.x, y) for y in estimates(estimator, test.x, self.trials)]
        return Row([s[0] for s in scores], [s[1] for s in scores], [s[2] for s in scores], seconds), estimator
