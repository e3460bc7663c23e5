"""Pictures in rows and columns, curves over training, kernels: drawn as papers have them."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from numpy.typing import NDArray
from torch import Tensor

from mapsr_cli.experiments.images.scores import History
from mapsr_cli.experiments.output import save
from mapsr_cli.views.kernel_figure import kernel_map

STYLE: Any = {
    "font.family": "serif",
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
}
CELL = 1.35
"""Inches a side of a picture in a grid."""


@dataclass(frozen=True)
class Line:
    """A row's trainings in a panel: their mean, and from the least to the greatest."""

    label: str
    histories: Sequence[History]
    colour: str
    style: str = "-"


def picture_grid(
    path: Path, cells: Sequence[Sequence[Tensor]], columns: Sequence[str] = (), rows: Sequence[str] = ()
) -> Path:
    """Draw rows of pictures [3, h, w] in [0, 1] (clipped) or maps [h, w], enlarged to cells by nearest neighbour."""
    with mpl.rc_context(STYLE):
        across, down = len(cells[0]), len(cells)
        tight = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0, hspace=0)
        figure = Figure(figsize=(CELL * across + 0.3, CELL * down + 0.3), layout=tight)
        axes = figure.subplots(down, across, squeeze=False)
        for row, pictures in enumerate(cells):
            for column, picture in enumerate(pictures):
                _show(axes[row, column], picture)
        for axis, title in zip(axes[0], columns, strict=False):
            axis.set_title(title, pad=3)
        for axis, label in zip(axes[:, 0], rows, strict=False):
            axis.set_ylabel(label)
        return save(figure, path)


def _show(axes: Axes, picture: Tensor) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    if picture.dim() == 2:
        axes.imshow(picture.numpy(), cmap="magma", vmin=0)
    else:
        axes.imshow(picture.clamp(0, 1).permute(1, 2, 0).numpy(), interpolation="nearest")


def draw_lines(
    axes: Axes, lines: Sequence[Line], measure: str, label: str, log: bool = False, marks: Sequence[float] = ()
) -> None:
    """Plot a measure against steps, with vertical lines at the steps `marks`. A row's trainings share their steps."""
    for mark in marks:
        axes.axvline(mark, color="#cccccc", linewidth=0.7, zorder=0)
    for line in lines:
        steps = [moment["step"] for moment in line.histories[0]]
        values = np.array([[moment[measure] for moment in history] for history in line.histories])
        axes.plot(steps, values.mean(axis=0), line.style, color=line.colour, label=line.label, linewidth=1.3)
        axes.fill_between(steps, values.min(axis=0), values.max(axis=0), alpha=0.2, color=line.colour, linewidth=0)
    axes.set(xlabel="steps", ylabel=label)
    if log:
        axes.set_yscale("log")


def show_kernel(axes: Axes, weights: NDArray[np.float64], first: tuple[int, int], scale: int, title: str) -> None:
    """Show a kernel's map; `first` is the HR (row, column) of its first weight, seen from the LR pixel's block."""
    axes.imshow(np.asarray(kernel_map(weights, first, scale)))
    axes.set(xticks=[], yticks=[])
    axes.set_title(title, fontsize=8)
