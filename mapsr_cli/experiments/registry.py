"""Every experiment by the name that the paper gives it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mapsr_cli.experiments.images import faces, grass, natural
from mapsr_cli.experiments.order import Order
from mapsr_cli.experiments.swissroll import recipe as swissroll


@dataclass(frozen=True)
class Experiment:
    """What to run, and where."""

    folder: str
    """In runs/, where nothing else is asked for: experiments that share trainings share a folder."""
    run: Callable[[Order], dict[str, Any]]
    """Trains what is not there, writes `files` and says which."""
    keeps_trainings: bool = True
    """Whether an interrupted one goes on; a figure of the Swiss roll, which is short, begins again."""
    trials: int = 1
    """Independent trainings of each row, where no other number is asked for."""


EXPERIMENTS = {
    "table1": Experiment("swissroll", swissroll.table1, trials=10),
    "fig1": Experiment("swissroll", swissroll.figure1, keeps_trainings=False),
    "fig6": Experiment("swissroll", swissroll.figure6, keeps_trainings=False, trials=10),
    "fig2": Experiment("faces", faces.figure2, trials=3),
    "table2": Experiment("faces", faces.table2),
    "fig4": Experiment("faces", faces.figure4),
    "fig3": Experiment("grass", grass.figure3),
    "fig7": Experiment("grass", grass.figure7, trials=3),
    "fig5": Experiment("natural", natural.figure5),
    "fig8": Experiment("natural", natural.figure8),
}
