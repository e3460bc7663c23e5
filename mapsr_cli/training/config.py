"""Length, schedule and averaging of a run, whatever it trains."""

import math
from dataclasses import dataclass
from typing import Literal

from mapsr_cli.errors import UsageError


@dataclass(frozen=True)
class LoopConfig:
    """Length, schedule, averaging and checkpoints of a run, which ends at `steps` or `minutes`, whichever is first."""

    steps: int | None = None
    """Optimiser steps of the generator. Runs counted in steps resume bit for bit."""
    minutes: float | None = None
    """Computing time of the whole run, resumptions included."""
    warmup: int = 100
    """Steps of linear warm-up."""
    final_rate: float = 0.01
    """Where the cosine schedule ends, as a fraction of the peak rate; 1: no schedule."""
    average: float = 0.999
    """Decay of the moving average of the result's weights; 0: none."""
    accumulate: int = 1
    """Parts into which each batch is split, to fit memory: gradients add up."""
    clip: float | None = None
    """Largest gradient norm per network; longer ones are scaled down."""
    seed: int = 0
    """Seed of weights, patches and noise."""
    checkpoint_minutes: float = 2.0
    """Computing time between checkpoints."""
    validate_minutes: float = 5.0
    """Computing time between validations, sample grids included."""
    best: Literal["psnr_y", "ssim_y", "gradient_energy", "ssimulacra2", "consistency_mse"] = "psnr_y"
    """Measure of the validation by which best/weights.safetensors is kept. Of the gradient energy, 1 is best."""
    patience: int | None = None
    """Validations without a better one after which the run ends; none: it goes on."""
    log_steps: int = 20
    """Steps per row of metrics."""
    snapshots: int = 0
    """Copies of the averaged weights kept along the run, evenly spaced (what guided criteria follow)."""

    def __post_init__(self) -> None:
        """Refuse lengths without an end and counts below their least value."""
        for name, least in (("steps", 1), ("accumulate", 1), ("patience", 1), ("log_steps", 1), ("snapshots", 0)):
            if (value := getattr(self, name)) is not None and value < least:
                raise UsageError(f"loop.{name} = {value}", f"at least {least}")
        if self.minutes is not None and not 0 < self.minutes < math.inf:
            raise UsageError(f"loop.minutes = {self.minutes:g}", "above 0, and finite")

    def warmup_factor(self, step: int) -> float:
        """Return the factor of a steady player's peak learning rate at `step`: a linear warm-up to 1."""
        return min(1.0, (step + 1) / max(self.warmup, 1))

    def rate_factor(self, step: int, progress: float) -> float:
        """Return the factor of every other peak learning rate: linear warm-up, then a cosine to `final_rate`."""
        cosine = (1 + math.cos(math.pi * min(progress, 1.0))) / 2
        return self.warmup_factor(step) * (self.final_rate + (1 - self.final_rate) * cosine)

    def progress(self, step: int, seconds: float) -> float:
        """Return how much of the run is done, 0 … 1, after `step` steps and `seconds` of computing time."""
        by_steps = step / self.steps if self.steps is not None else 0.0
        by_time = seconds / (60 * self.minutes) if self.minutes is not None else 0.0
        return min(max(by_steps, by_time), 1.0)


def merit(measure: str, value: float) -> float:
    """Return how good a figure of a validation is: larger is better."""
    if measure == "gradient_energy":
        return -abs(value - 1)
    return -value if measure == "consistency_mse" else value
