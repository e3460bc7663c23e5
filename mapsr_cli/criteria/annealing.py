"""How a noise level falls over a run."""

from typing import Literal

from mapsr_cli.errors import UsageError

Annealing = Literal["linear", "geometric"]


def anneal(start: float, end: float, progress: float, how: Annealing) -> float:
    """Interpolate from `start` at progress 0 to `end` at 1: linearly, or linearly in the logarithm (`geometric`)."""
    if how == "linear":
        return start + (end - start) * progress
    return float(start * (end / start) ** progress)


def check_levels(start: float, end: float, name: str = "sigma") -> None:
    """Raise UsageError unless noise can fall from standard deviation `start` to `end`, both above zero.

    `name`: what the fields begin with, for the hint.
    """
    if not 0 < end <= start:
        raise UsageError(
            f"noise cannot fall from {start} to {end}", f"{name}_start and {name}_end: 0 < {name}_end ≤ {name}_start"
        )
