"""What every experiment is asked with."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mapsr_cli.errors import UsageError
from mapsr_cli.training.loop import Status

NamedWatch = Callable[[str, Status], None]
"""A `Watch` of several trainings: called with the name of the one that goes on."""


@dataclass(frozen=True)
class Order:
    """Where, on what, how long."""

    out: Path
    """Folder of runs, numbers, pages and pictures."""
    data: Path | None
    """Folder of image sets; None where data are drawn."""
    budget: str
    """`smoke`: does it run; `cpu`: ours, what two cores can train; `paper`: the paper's protocol, for a GPU."""
    trials: int
    """Independent trainings of each row, where an experiment repeats them."""
    seed: int
    """Random seed for weights, data and noise."""
    watch: NamedWatch
    """Told how every row's training goes on."""
    steps: int | None = None
    """Steps of every training, to try a budget out; None: as many as the budget has."""

    def find(self, inner: str) -> Path:
        """Locate a file or folder of `data`. Raises UsageError where it is missing."""
        if self.data is None:
            raise UsageError(f"this experiment needs images: {inner}", "--data names the folder that holds it")
        if not (path := self.data / inner).exists():
            raise UsageError(f"{path}: not there", f"--data names the folder that holds {inner}")
        return path
