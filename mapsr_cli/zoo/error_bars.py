"""How far the truth lies from a model's estimates: a conformal calibration, as a card holds it. No torch here."""

import math
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

NO_BOUND = 255
"""Levels of an error bar that says nothing."""


@dataclass(frozen=True)
class ErrorBars:
    """A prediction s of the error at a pixel, and the factors by which it becomes a bound that holds so often.

    log s is `weights` · (1, log detail around the pixel in two windows); the bound in levels of 8 bits is s times the
    factor at log s, rounded up. See `inference/error_bars.py`.
    """

    weights: tuple[float, ...]
    """Three, or four: then the last is of the samples' spread, which the model's samples give."""
    knots: tuple[float, ...]
    """Increasing values of log s; factors are interpolated between them."""
    confidences: tuple[float, ...]
    """Increasing, in (0, 1)."""
    factors: tuple[tuple[float, ...], ...]
    """One row per confidence, one factor per knot."""
    images: int
    """How many photographs it was calibrated on."""
    data: str
    """Which, in a line: and whether the model has learnt from them."""

    @property
    def needs_samples(self) -> bool:
        """Whether the prediction takes the spread of samples."""
        return len(self.weights) > 3

    def factors_at(self, confidence: float) -> list[float]:
        """Interpolate the factors of a confidence between those that were calibrated: linearly in −log(1 − c)."""
        after = next(i for i, known in enumerate(self.confidences) if confidence <= known)
        if after == 0:
            return list(self.factors[0])
        low, high, at = (-math.log1p(-c) for c in (*self.confidences[after - 1 : after + 1], confidence))
        share = (at - low) / (high - low)
        return [a + share * (b - a) for a, b in zip(*self.factors[after - 1 : after + 1], strict=True)]


def parse_error_bars(value: Any) -> ErrorBars:
    """Read a calibration from JSON values. Raises ValueError for anything else."""
    if not (isinstance(value, dict) and value.keys() == {f.name for f in fields(ErrorBars)}):
        raise ValueError("'error_bars' has other fields than a calibration")
    if type(value["images"]) is not int or not isinstance(value["data"], str):
        raise ValueError("'error_bars' does not say what it was calibrated on")
    rows = value["factors"]
    if not isinstance(rows, list | tuple):
        raise ValueError("'error_bars' has no table of factors")
    weights, knots, confidences, *factors = (
        _numbers(row) for row in (value["weights"], value["knots"], value["confidences"], *rows)
    )
    bars = ErrorBars(weights, knots, confidences, tuple(factors), value["images"], value["data"])
    rising = all(all(a < b for a, b in pairwise(row)) for row in (knots, confidences))
    whole = len(factors) == len(confidences) > 0 and all(len(row) == len(knots) > 0 for row in factors)
    if not (len(weights) in (3, 4) and rising and whole and confidences[0] > 0 and confidences[-1] < 1):
        raise ValueError("'error_bars' is no calibration: its tables do not go together")
    if min(map(min, factors)) < 0:
        raise ValueError("'error_bars' has a negative factor")
    return bars


def _numbers(value: Any) -> tuple[float, ...]:
    if not (isinstance(value, list | tuple) and all(type(n) in (int, float) and math.isfinite(n) for n in value)):
        raise ValueError("'error_bars' holds something else than numbers")
    return tuple(float(n) for n in value)
