"""Figure 6's claim, tested: what instance noise and label smoothing do for AffGAN on the Swiss roll."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from mapsr_cli.experiments.order import NamedWatch
from mapsr_cli.experiments.output import save
from mapsr_cli.experiments.swissroll.table1 import ROWS, Examination, StepCounts, score, settings_of
from mapsr_cli.experiments.swissroll.trials import estimates, recipe_of, train_trials
from mapsr_cli.training.loop import Tasks
from mapsr_cli.training.run import Run
from mapsr_cli.training.settings import SectionValues, merge

MOMENTS = 10
"""Times along a training at which H is taken."""
VARIANTS: dict[str, SectionValues] = {
    "no noise": {"criterion": {"noise": "none"}},
    "label smoothing 0.1": {"criterion": {"noise": "none", "label_smoothing": 0.1}},
    "fixed, σ = 0.5": {"criterion": {"noise": "linear", "noise_start": 0.5, "noise_end": 0.5}},
    "linear, σ 1.5 → 0.1": {"criterion": {"noise": "linear", "noise_start": 1.5, "noise_end": 0.1}},
    "geometric, σ 2.5 → 0.1": {"criterion": {"noise": "geometric", "noise_start": 2.5, "noise_end": 0.1}},
    "adaptive": {"criterion": {"noise": "adaptive", "noise_start": 1.5, "noise_end": 0.1, "noise_target": 0.6}},
}


def run_variant(
    name: str, bench: Examination, budget: StepCounts, trials: int, seed: int, watch: NamedWatch
) -> list[list[float]]:
    """Compute H of every trial at MOMENTS evenly spaced steps, or at all if there are fewer: [moments][trials]."""
    entry = replace(ROWS["affgan"], settings=VARIANTS[name])
    history: list[list[float]] = []

    def take(run: Run, number: int) -> None:
        history.append([score(bench.density, bench.x, y)[0] for y in estimates(run.result, bench.x, trials)])

    settings = merge(settings_of(entry, budget, seed, trials), {"loop": {"snapshots": MOMENTS}})
    train_trials(recipe_of("affgan", trials, settings), trials, None, Tasks(watch=partial(watch, name), snapshot=take))
    return history


def draw(folder: Path, histories: Mapping[str, list[list[float]]], steps: int, floor: float) -> Path:
    """Plot H − H of MAP against the generator's steps: median over trials, and the interquartile range."""
    style: Any = {"font.family": "serif", "axes.spines.top": False, "axes.spines.right": False}
    with mpl.rc_context(style):
        figure = Figure(figsize=(7, 4.2), layout="constrained")
        axes = figure.subplots()
        for name, history in histories.items():
            gaps = np.array(history) - floor
            low, middle, high = np.percentile(gaps, (25, 50, 75), axis=1)
            at = steps * np.arange(1, len(gaps) + 1) / len(gaps)
            (line,) = axes.plot(at, middle, label=name)
            axes.fill_between(at, low, high, alpha=0.15, color=line.get_color(), linewidth=0)
        axes.set(xlabel="generator steps", ylabel="H[q, p] − H of MAP, nats", yscale="log")
        axes.legend(frameon=False, fontsize=8)
        path = folder / "fig6.png"
        save(figure, path)
        save(figure, path.with_suffix(".svg"))
    return path
