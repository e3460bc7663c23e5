"""The live picture of a training run on a terminal; plain lines elsewhere."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from mapsr_cli.cli.report import say, stderr

if TYPE_CHECKING:
    from rich.live import Live
    from rich.table import Table

    from mapsr_cli.training.loop import Status

PLAIN_SECONDS = 60.0
"""Computing time between lines where there is no terminal."""
UNITS = {"valid/psnr_y": " dB", "valid/psnr": " dB"}


class Show(Protocol):
    """Shows how far a training is; where several go on at once, each has a name."""

    def __call__(self, status: "Status", name: str = "") -> None:
        """`name` is empty where there is but one."""


def _clock(seconds: float) -> str:
    if seconds == float("inf"):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _number(name: str, value: float) -> str:
    unit = UNITS.get(name, "")
    return f"{value:.3f}{unit}" if unit or 0.01 <= abs(value) < 1000 else f"{value:.3g}"


def table(status: "Status") -> "Table":
    """One row per figure."""
    from rich.table import Table

    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(justify="right")
    grid.add_row("step", f"{status.step:,}  ({status.progress:.1%})")
    grid.add_row("time", f"{_clock(status.seconds)}  left {_clock(status.left)}")
    grid.add_row("images/s", f"{status.images_per_second:.1f}  (waiting for data {status.waiting:.1%})")
    for name, value in status.values.items():
        grid.add_row(name, _number(name, value))
    if status.skipped:
        grid.add_row("skipped", f"{status.skipped} updates that were not finite", style="yellow")
    return grid


def line(status: "Status") -> str:
    """The same on one line."""
    values = "  ".join(f"{name} {_number(name, value)}" for name, value in status.values.items())
    pace = f"{status.images_per_second:.1f} images/s, waiting {status.waiting:.1%}, left {_clock(status.left)}"
    return f"step {status.step}  {values}  {pace}"


@contextmanager
def training_display(quiet: bool = False) -> Iterator[Show]:
    """Yields what the loop calls with each status."""
    if quiet:
        yield lambda status, name="": None
    elif sys.stderr.isatty() and stderr().is_terminal:
        from rich.live import Live

        with Live(console=stderr(), refresh_per_second=4, transient=True) as live:
            yield _lively(live)
    else:
        yield _plain()


def _lively(live: "Live") -> Show:
    """A table for each training that goes on."""
    from rich.console import Group
    from rich.text import Text

    tables: dict[str, Group] = {}

    def show(status: "Status", name: str = "") -> None:
        title = [Text(name, style="bold")] if name else []
        tables[name] = Group(*title, table(status))
        live.update(Group(*tables.values()))
        if status.progress >= 1.0:
            del tables[name]

    return show


def _plain() -> Show:
    """A line a minute for each training, and one at its end."""
    said: dict[str, float] = {}

    def show(status: "Status", name: str = "") -> None:
        ended = status.progress >= 1.0
        if ended or status.seconds - said.get(name, -PLAIN_SECONDS) >= PLAIN_SECONDS:
            said[name] = -PLAIN_SECONDS if ended else status.seconds
            say(f"{name}  {line(status)}" if name else line(status))

    return show
