"""What was done to make an upscaled picture, and whether it gives its original back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from mapsr_cli.operators import Agreement, Consistency

StageProgress = Callable[[str, int, int], None]
"""Called with (stage, done, total)."""


def silent(stage: str, done: int, total: int) -> None:
    """Take progress and say nothing."""


@dataclass(frozen=True)
class UpscaleReport:
    """How a picture was made. Reports add up: steps one after another, colour and alpha, frame and frame."""

    samples: int = 0
    """LR samples upscaled."""
    squared_float: float = 0.0
    """Sum of (x − A ŷ)² over them before rounding, on a 0 … 1 scale."""
    max_abs_float: float = 0.0
    """Largest |x − A ŷ| before rounding, on a 0 … 1 scale."""
    passes: int = 0
    """Most dual passes that the round trip needed anywhere; 0 where rounding was enough."""
    seconds: dict[str, float] = field(default_factory=dict)
    """By step: `decode`; `network`; `project`, which is projection, round trip and the check; `encode`."""
    consistency: Agreement = field(default_factory=Consistency)
    """Of the stored samples; of none while nothing has been checked."""
    notes: tuple[str, ...] = ()
    """What is worth a line to the user, each once: what had to be changed to fit the format, or memory."""
    tiles: tuple[int, ...] = ()
    """LR pixels a side of the tiles of every run of the network, in order."""

    def __add__(self, other: "UpscaleReport") -> "UpscaleReport":
        steps = self.seconds | other.seconds
        return UpscaleReport(
            self.samples + other.samples,
            self.squared_float + other.squared_float,
            max(self.max_abs_float, other.max_abs_float),
            max(self.passes, other.passes),
            {step: self.seconds.get(step, 0.0) + other.seconds.get(step, 0.0) for step in steps},
            combined(self.consistency, other.consistency),
            tuple(dict.fromkeys(self.notes + other.notes)),
            self.tiles + other.tiles,
        )

    @property
    def mse_float(self) -> float:
        """Mean of (x − A ŷ)² over LR samples before rounding, on a 0 … 1 scale."""
        return self.squared_float / max(self.samples, 1)

    @property
    def total(self) -> float:
        """Seconds of all steps together."""
        return sum(self.seconds.values())

    def summary(self) -> dict[str, Any]:
        """Return `seconds` and `consistency` as `--json` prints them."""
        kept = self.consistency
        if isinstance(kept, Consistency):
            figures = {
                "mse_float": self.mse_float,
                "max_abs_float": self.max_abs_float,
                "lr_psnr_file": kept.lr_psnr,
                "bit_exact": kept.bit_exact,
                "worst_levels": kept.worst_levels,
            }
        else:
            figures = kept.figures()
        return {
            "seconds": {step: round(took, 4) for step, took in (self.seconds | {"total": self.total}).items()},
            "consistency": {**figures, "passes": self.passes},
        }


def combined(a: Agreement, b: Agreement) -> Agreement:
    """Add two of a kind, such as of colour and alpha; of two kinds one is empty."""
    if type(a) is type(b):
        return a + b
    return b if a.empty else a
