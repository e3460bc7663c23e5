"""Error bars: calibrated on photographs whose HR is known, and checked on others."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mapsr_cli.errors import UsageError
from mapsr_cli.evaluation.candidates import CandidateModel, Checkpoint, Estimate
from mapsr_cli.evaluation.protocol import PEAK, Pair
from mapsr_cli.evaluation.scores import Score
from mapsr_cli.inference.error_bars import Variance, error_map, predictors, score_of
from mapsr_cli.operators import Kernel, RatioKernel
from mapsr_cli.zoo import ErrorBars, Model, find_model, load_model, rewrite_card

CONFIDENCES = (0.5, 0.68, 0.8, 0.9, 0.95, 0.98, 0.99)
CLASSES = 12
"""Classes of predicted error, equally large."""
FEWEST = 8
"""Photographs below which nothing is calibrated."""
_PIXELS = 5000
"""Taken from each photograph, at random: so each counts as much as any other, whatever its size."""


def make_calibrator(candidates: Mapping[str, CandidateModel], kernel: Kernel | RatioKernel) -> "Calibrator":
    """Make what calibrates the only candidate. Raises UsageError unless it is a checkpoint of ours, at its own A."""
    only = next(iter(candidates.values()))
    if len(candidates) > 1 or not isinstance(only, Checkpoint) or type(only.upscaler.model) is not Model:
        raise UsageError(
            "--calibrate takes one model, and a checkpoint of mapsr's", "one --model: no baseline, no dir:"
        )
    if kernel != only.upscaler.model.kernel:
        raise UsageError("error bars are calibrated for a model's own kernel and factor", "leave out --kernel, --scale")
    return Calibrator()


def write_calibrated(calibrator: "Calibrator", model: str, target: Path, sets: str) -> None:
    """Write a model with the calibration in its card. Raises MapsrError."""
    source = find_model(model)
    bars = calibrator.calibrate(f"{len(calibrator.errors)} photographs: {sets}")
    rewrite_card(source, target, replace(load_model(source).card, error_bars=bars))


def coverage(estimate: Estimate, pair: Pair, bars: ErrorBars, confidence: float) -> Mapping[str, float]:
    """Measure `coverage`, the share of HR's samples within the error bars, and `error_bar`, their mean in levels."""
    found = error_map(estimate.levels, PEAK, bars, confidence, variance=variance_of(estimate))
    within = (estimate.levels - pair.hr).abs() <= torch.from_numpy(found)
    return {"coverage": within.double().mean().item(), "error_bar": float(found.mean())}


def variance_of(estimate: Estimate) -> Variance | None:
    """Return the variance over an estimate's samples, averaged over colours; None without samples."""
    if estimate.samples is None:
        return None
    variance = estimate.samples.double().var(0).mean(0).numpy()
    return lambda rows: variance[rows]


@dataclass
class Calibrator:
    """Collects errors and what predicts them while an evaluation runs: an Observer of one model."""

    predicted: list[Tensor] = field(default_factory=list)
    """Per photograph: predictors [P, pixels]."""
    errors: list[Tensor] = field(default_factory=list)
    """Per photograph: |ŷ − y| in levels [3, pixels]."""

    def __call__(self, group: str, pair: Pair, estimates: dict[str, tuple[Estimate, Score]]) -> None:
        """Take some pixels of a photograph, always the same ones."""
        for estimate, _ in estimates.values():
            height, width = pair.hr.shape[-2:]
            maps = predictors(estimate.levels, PEAK, slice(0, height), variance_of(estimate)).flatten(1)
            generator = torch.Generator().manual_seed(len(self.errors))
            at = torch.randperm(height * width, generator=generator)[:_PIXELS]
            self.predicted.append(maps[:, at].double())
            self.errors.append((estimate.levels - pair.hr).abs().flatten(1)[:, at].double())

    def calibrate(self, data: str) -> ErrorBars:
        """Fit the prediction on every second photograph and its factors on the others.

        `data` says which photographs they are. Raises UsageError where they are too few.
        """
        if len(self.errors) < FEWEST:
            raise UsageError(f"{len(self.errors)} photographs: a calibration takes {FEWEST} and more, better 100")
        weights = fit_weights(torch.cat(self.predicted[::2], 1), torch.cat(self.errors[::2], 1))
        kept, errors = torch.cat(self.predicted[1::2], 1), torch.cat(self.errors[1::2], 1).numpy()
        bars = ErrorBars(weights, (), CONFIDENCES, (), len(self.errors), data)
        knots, factors = fit_factors(score_of(kept, bars), errors)
        return ErrorBars(weights, knots, CONFIDENCES, factors, len(self.errors), data)


def fit_weights(predicted: Tensor, errors: Tensor) -> tuple[float, ...]:
    """Fit log(mean error + ½) of predictors [P, n] by least squares, errors [3, n] in levels."""
    target = (errors.mean(0) + 0.5).log()
    return tuple(torch.linalg.lstsq(predicted.T, target[:, None]).solution[:, 0].tolist())


def fit_factors(
    score: NDArray[np.float64], errors: NDArray[np.float64], classes: int = CLASSES
) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...]]:
    """Find the quantiles of error / prediction in classes of the prediction: log s [n], errors [3, n].

    Returns the knots, which are the means of log s in each class, and factors per confidence. The quantile of k ratios
    is the ⌈(k + 1) c⌉-th smallest. A bound never falls as the prediction rises.
    """
    edges = np.quantile(score, np.linspace(0, 1, classes + 1)[1:-1])
    parts = [np.digitize(score, edges) == part for part in range(classes)]
    parts = [part for part in parts if part.any()]
    knots = np.array([score[part].mean() for part in parts])
    table = np.empty((len(CONFIDENCES), len(parts)))
    for column, part in enumerate(parts):
        ratios = np.sort((errors[:, part] / np.exp(score[part])).ravel())
        ranks = [min(int(np.ceil((len(ratios) + 1) * c)), len(ratios)) - 1 for c in CONFIDENCES]
        table[:, column] = ratios[ranks]
    factors = np.maximum.accumulate(table * np.exp(knots), 1) / np.exp(knots)
    return tuple(knots.tolist()), tuple(tuple(row) for row in factors.tolist())
