"""How far the truth may lie from an upscaled picture, pixel by pixel: the bound of a conformal calibration.

The error is predicted from the detail of the picture itself: errors are large where there is texture and edges. The
prediction needs to be good in order only; that the bound holds as often as it says follows from the factors, which are
quantiles of error / prediction on photographs that were kept for it (split conformal prediction: Papadopoulos et al.,
2002; Lei et al., 2018), in classes of the prediction (Vovk's Mondrian conformal prediction).
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mapsr_cli.zoo.error_bars import NO_BOUND, ErrorBars

WINDOWS = (1, 8)
"""Radii in HR pixels of the windows in which detail is averaged."""
_QUIET = 0.25
"""Added to energies in squared levels, below which rounding hides all detail."""
_ROWS = 256
MARGIN = max(WINDOWS) + 1

Variance = Callable[[slice], NDArray[np.float64]]
"""Rows → the variance over samples [rows, W] in squared levels."""


def predictors(levels: Tensor, peak: int, rows: slice, variance: Variance | None = None) -> Tensor:
    """Compute what predicts the error in some rows of a picture: [C, H, W] levels 0 … peak → [3 or 4, rows, W].

    One, and log root of the mean squared gradient in both windows, in levels of 8 bits; with `variance`, that of the
    spread. A window is cut off at the picture's edges, so the rows of a band are those of the whole.
    """
    height = levels.shape[-2]
    top, bottom = max(rows.start - MARGIN, 0), min(rows.stop + MARGIN, height)
    inner = slice(rows.start - top, rows.stop - top)
    grey = levels[:, top:bottom].float().mean(0) * (255 / peak)
    framed = functional.pad(grey[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    down, across = framed[2:, 1:-1] - framed[:-2, 1:-1], framed[1:-1, 2:] - framed[1:-1, :-2]
    energy = (down.square() + across.square()) / 4
    maps = [torch.ones_like(grey), *(_log_root(_mean(energy, radius)) for radius in WINDOWS)]
    if variance is not None:
        spread = torch.from_numpy(variance(slice(top, bottom))).float()
        maps.append(_log_root(_mean(spread, max(WINDOWS))))
    return torch.stack(maps)[:, inner]


def _log_root(energy: Tensor) -> Tensor:
    return (energy + _QUIET).log() / 2


def _mean(image: Tensor, radius: int) -> Tensor:
    """Average over the part of a square window that lies in [h, w]."""
    for across in (False, True):
        size, pad = ((1, 2 * radius + 1), (0, radius)) if across else ((2 * radius + 1, 1), (radius, 0))
        image = functional.avg_pool2d(image[None, None], size, 1, pad, count_include_pad=False)[0, 0]
    return image


def bounds(score: NDArray[Any], bars: ErrorBars, confidence: float) -> NDArray[np.uint8]:
    """Compute the bound in whole levels of 8 bits of predictions log s, of any shape; `NO_BOUND` and more is 255."""
    factors = np.interp(score, bars.knots, bars.factors_at(confidence))
    levels: NDArray[np.uint8] = np.ceil(np.exp(score) * factors).clip(1, NO_BOUND).astype(np.uint8)
    return levels


def score_of(predictors: Tensor, bars: ErrorBars) -> NDArray[np.float64]:
    """Compute log s of predictors [3 or 4, …]."""
    weights = torch.tensor(bars.weights, dtype=torch.float64)
    return torch.einsum("p,p...->...", weights, predictors.double()).numpy()


def error_map(
    levels: Tensor,
    peak: int,
    bars: ErrorBars,
    confidence: float,
    alpha: Tensor | None = None,
    variance: Variance | None = None,
) -> NDArray[np.uint8]:
    """Bound the error of each colour sample of a picture: [C, H, W] levels → [H, W], ± levels of 8 bits.

    `NO_BOUND` where the picture is fully transparent (alpha [1, H, W] is 0). `variance`: over samples, where the
    calibration needs it; then `levels` are one of them.
    """
    found = np.empty(levels.shape[-2:], np.uint8)
    for top in range(0, len(found), _ROWS):
        rows = slice(top, min(top + _ROWS, len(found)))
        found[rows] = bounds(score_of(predictors(levels, peak, rows, variance), bars), bars, confidence)
        if alpha is not None:
            found[rows][alpha[0, rows].numpy() == 0] = NO_BOUND
    return found
