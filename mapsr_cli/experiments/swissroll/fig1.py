"""Figure 1: (a) the problem on the Swiss roll; (b) what every method learnt, over the denoiser's score field."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from mapsr_cli.experiments.output import LABELS, save
from mapsr_cli.experiments.swissroll.posterior import Posterior
from mapsr_cli.experiments.swissroll.truth import DensityMap, KernelDensity, map_estimates, on_line
from mapsr_cli.training.data import swiss_roll

ASKED = 0.5
"""The x of panel (a)."""
CURVE = torch.linspace(-8, 8, 801)
"""The x's of every curve."""
COLOURS = {"mse": "#1b6ca8", "mae": "#2a9d8f", "affgan": "#d1495b", "softgan": "#edae49", "affdg": "#6a4c93"}
COLOURS |= {"softdg": "#b98eff", "affll": "#3d3d3d", "map": "#000000"}
FAR = 1.5
"""Neighbours on a curve further apart than this are not joined: the curve jumps there."""


def _roll(axes: Axes) -> None:
    points = swiss_roll(np.random.default_rng(3), 4000)
    axes.scatter(points[:, 0], points[:, 1], s=2, color="#bbbbbb", linewidths=0, rasterized=True)
    axes.set(xlim=(-10, 10), ylim=(-10, 10), xlabel="$y_1$", ylabel="$y_2$", aspect="equal")


def _curve(axes: Axes, y: Tensor, name: str, style: str = "-") -> None:
    """Plot a path with gaps where it jumps."""
    path = y.double().numpy().copy()
    jumps = np.flatnonzero(np.linalg.norm(np.diff(path, axis=0), axis=1) > FAR)
    path = np.insert(path, jumps + 1, np.nan, axis=0)
    axes.plot(path[:, 0], path[:, 1], style, color=COLOURS[name], linewidth=1.4, label=LABELS[name])


def _problem(axes: Axes, density: KernelDensity, grid: DensityMap) -> None:
    """Draw panel (a): data, the line of x = 0.5 with its posterior, Bayes-optimal estimates, and MAP for all x."""
    _roll(axes)
    posterior = Posterior.of(torch.tensor([ASKED]))
    line = on_line(torch.tensor(ASKED), posterior.t)
    weight = (posterior.weights[0] / posterior.weights.max()).numpy()
    axes.plot([-9, 10], [2 * ASKED + 9, 2 * ASKED - 10], "--", color="#888888", linewidth=0.8, label="$x = 0.5$")
    axes.scatter(line[:, 0], line[:, 1], s=36 * weight, color="#d1495b", alpha=0.35, linewidths=0, rasterized=True)
    _curve(axes, map_estimates(CURVE, density, grid), "map", ":")
    marks = {
        "MSE": (posterior.mean()[0], -12),
        "MAE": (posterior.median()[0], 6),
        "MAP": (map_estimates(torch.tensor([ASKED]), density, grid)[0], 6),
    }  # MSE and MAE lie close together: one has its name below
    for name, (place, up) in marks.items():
        axes.plot(*place.tolist(), "o", color=COLOURS[name.lower()], markersize=5)
        at = float(place[0]), float(place[1])
        axes.annotate(name, at, xytext=(6, up), textcoords="offset points", fontsize=9)
    axes.set_title("(a) one LR value, its HR answers")
    axes.legend(loc="lower left", frameon=False, fontsize=8)


def _answers(axes: Axes, curves: Mapping[str, Tensor], score: Tensor | None, at: Tensor) -> None:
    """Draw panel (b): every method's curve, and arrows along the denoiser's score."""
    _roll(axes)
    if score is not None:
        length = score.norm(dim=1, keepdim=True).clamp_min(1e-6)
        arrows = score / length * length.clamp(max=4.0) / 4.0
        axes.quiver(*at.T.numpy(), *arrows.T.numpy(), color="#999999", width=0.0018, scale=38)
    for name, y in curves.items():
        _curve(axes, y, name)
    axes.set_title("(b) trained estimates for x in [−8, 8]; arrows: score")
    axes.legend(loc="upper left", framealpha=0.9, edgecolor="none", fontsize=8)


def score_places() -> Tensor:
    """Return the points at which panel (b) has arrows: [N, 2]."""
    axis = torch.linspace(-9.5, 9.5, 25)
    return torch.cartesian_prod(axis, axis)


def draw(folder: Path, density: KernelDensity, curves: Mapping[str, Tensor], score: Tensor | None) -> list[Path]:
    """Write fig1.png and fig1.svg. `curves`: ŷ [801, 2] of each method for `CURVE`; `score` at `score_places()`."""
    style: Any = {"font.family": "serif", "axes.spines.top": False, "axes.spines.right": False, "svg.hashsalt": "mapsr"}
    with mpl.rc_context(style):
        figure = Figure(figsize=(11, 5.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        _problem(left, density, DensityMap.of(density))
        _answers(right, curves, score, score_places())
        return [save(figure, folder / name) for name in ("fig1.png", "fig1.svg")]
