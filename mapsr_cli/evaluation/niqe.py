"""NIQE (Mittal, Soundararajan and Bovik, 2013): how far a picture's statistics are from those of natural ones.

It needs no truth. Its pristine model (a mean and a covariance of 36 features, and a window; 12 kB) is not part of
mapsr: it is read from the folder in which torch keeps downloaded weights.
"""

import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mapsr_cli.errors import MapsrError
from mapsr_cli.operators import downsampling, make_kernel

BLOCK = 96
"""Pixels a side of a block at the first scale; half as many at the second."""
LEAST_BLOCKS = 2
FILE = "niqe_pris_params.npz"
SHAPES = {"mu_pris_param": (1, 36), "cov_pris_param": (36, 36), "gaussian_window": (7, 7)}
NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Products of a normalised pixel with these are features, too."""

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class PristineModel:
    """Features of natural pictures."""

    mean: Array
    """[36]."""
    covariance: Array
    """[36, 36]."""
    window: Tensor
    """[7, 7], of local means and deviations."""


def load_pristine(folder: Path | None = None) -> PristineModel:
    """Read the model from `folder`, by default torch's for weights. Raises MapsrError if it is missing or damaged."""
    path = (Path(torch.hub.get_dir()) / "checkpoints" if folder is None else folder) / FILE
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays: dict[str, Any] = {name: stored[name].astype(np.float64) for name in SHAPES}
    except Exception as error:  # NumPy raises nearly anything on damaged files
        hint = f"put BasicSR's {FILE} into {path.parent}"
        raise MapsrError(f"no NIQE: its model of natural pictures cannot be read ({error})", hint) from error
    if any(arrays[name].shape != shape or not np.isfinite(arrays[name]).all() for name, shape in SHAPES.items()):
        raise MapsrError(f"no NIQE: {path} does not hold its model of natural pictures", f"put BasicSR's {FILE} there")
    mean, covariance, window = (arrays[name] for name in SHAPES)
    return PristineModel(mean[0], covariance, torch.from_numpy(window))


def niqe(y: Tensor, pristine: PristineModel) -> float | None:
    """Compute NIQE of [3, H, W] in [0, 1], luma rounded to levels; None for fewer than two blocks of 96×96."""
    features = features_of(y, pristine.window)
    if len(features) < LEAST_BLOCKS:
        return None
    off = pristine.mean - np.nanmean(features, axis=0)
    covariance = np.cov(features[~np.isnan(features).any(axis=1)], rowvar=False)
    inverse = np.linalg.pinv((pristine.covariance + covariance) / 2)
    return float(math.sqrt(off @ inverse @ off))


def features_of(y: Tensor, window: Tensor) -> Array:
    """Compute the features of every whole block of [3, H, W] in [0, 1], at two scales: [blocks, 36]."""
    weights = torch.tensor([65.481, 128.553, 24.966], dtype=torch.float64)
    image = (torch.einsum("c,chw->hw", weights, y.double()) + 16).round()  # BT.601 luma in levels 16 … 235
    down, across = (n // BLOCK for n in image.shape)
    if not down * across:
        return np.empty((0, 36))
    image = image[: down * BLOCK, : across * BLOCK]
    half = downsampling(make_kernel("bicubic", 2), (image.shape[0], image.shape[1]), torch.float64).down(image)
    return np.concatenate([_features(image, BLOCK, window), _features(half, BLOCK // 2, window)], axis=1)


def _features(image: Tensor, block: int, window: Tensor) -> Array:
    """Compute 18 features of each block×block part of [h, w]: [blocks, 18]."""
    mean = _filtered(image, window)
    deviation = (_filtered(image.square(), window) - mean.square()).abs().sqrt()
    normalised = ((image - mean) / (deviation + 1)).numpy()
    rows, cols = (range(0, n, block) for n in normalised.shape)
    parts = [normalised[i : i + block, j : j + block] for j in cols for i in rows]
    return np.array([_block_features(part) for part in parts])


def _filtered(image: Tensor, window: Tensor) -> Tensor:
    padded = functional.pad(image[None, None], (3, 3, 3, 3), mode="replicate")
    return functional.conv2d(padded, window[None, None])[0, 0]


def _block_features(part: Array) -> list[float]:
    """Fit generalised Gaussians to a block's values and to their products with four neighbours."""
    shape, left, right = _fitted(part)
    features = [shape, (left + right) / 2]
    for shift in NEIGHBOURS:
        shape, left, right = _fitted(part * np.roll(part, shift, axis=(0, 1)))
        features += [shape, (right - left) * math.exp(math.lgamma(2 / shape) - math.lgamma(1 / shape)), left, right]
    return features


def _fitted(values: Array) -> tuple[float, float, float]:
    """Fit an asymmetric generalised Gaussian by moments: its shape, and its left and right scale β."""
    values = values.ravel()
    negative, positive = values[values < 0], values[values > 0]
    if not (len(negative) and len(positive)):
        return math.nan, math.nan, math.nan
    left, right = (math.sqrt(np.square(side).mean()) for side in (negative, positive))
    ratio, moment = left / right, np.abs(values).mean() ** 2 / np.square(values).mean()
    wanted = moment * (ratio**3 + 1) * (ratio + 1) / (ratio**2 + 1) ** 2
    shapes, moments = _moments()
    shape = float(shapes[np.square(moments - wanted).argmin()])
    scale = math.exp((math.lgamma(1 / shape) - math.lgamma(3 / shape)) / 2)
    return shape, left * scale, right * scale


@cache
def _moments() -> tuple[Array, Array]:
    """Tabulate Γ(2/α)² / (Γ(1/α) Γ(3/α)) over shapes α."""
    shapes = np.arange(0.2, 10.001, 0.001)
    logs = [2 * math.lgamma(2 / a) - math.lgamma(1 / a) - math.lgamma(3 / a) for a in shapes]
    return shapes, np.exp(logs)
