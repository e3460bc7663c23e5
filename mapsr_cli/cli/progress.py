"""Progress bars: on a terminal, on standard error. Nothing is drawn where output is piped."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mapsr_cli.cli.report import above, has_terminal, one_line, stderr

if TYPE_CHECKING:
    from mapsr_cli.inference.report import StageProgress

Update = Callable[[str, float, float | None], None]
"""Called with (description, done, total); without a total, the bar says only that something goes on."""
SHARES = {"network": (0.0, 0.9), "project": (0.9, 0.95), "round trip": (0.95, 1.0)}
"""Part of the time that each stage of a picture takes, from where to where."""


@contextmanager
def progress_bar() -> Iterator[Update]:
    """Yield a callback that draws a bar with the time that remains."""
    if not has_terminal():
        yield lambda description, done, total: None
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.table import Column

    columns = (
        TextColumn("{task.description}", markup=False, table_column=Column(no_wrap=True, overflow="ellipsis", ratio=3)),
        BarColumn(bar_width=None, table_column=Column(ratio=1, min_width=8)),
        TaskProgressColumn(table_column=Column(no_wrap=True)),
        TimeRemainingColumn(table_column=Column(no_wrap=True)),
    )
    # Redirected, what goes to a file on standard output would be drawn on the terminal: `above` does it right.
    progress = Progress(
        *columns, console=stderr(), transient=True, expand=True, redirect_stdout=False, redirect_stderr=False
    )

    def update(description: str, done: float, total: float | None) -> None:
        if not progress.task_ids:
            progress.add_task("", total=None)
        progress.update(progress.task_ids[0], description=one_line(description), completed=done, total=total)

    with above(progress):
        yield update


@contextmanager
def busy(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show that `what` goes on; yield what a fetch from the Hub calls with (bytes done, bytes in all)."""
    with progress_bar() as update:
        update(what, 0, None)
        yield lambda done, total: update(f"{what}: fetching", done, total or None)


@dataclass
class BatchProgress:
    """How far a batch is: one bar for all its pictures."""

    update: Update
    total: int
    """Pictures to make."""
    begun: int = 0
    working: bool = False
    """Whether a picture is being made: then the bar is about that, not about one that is read ahead."""

    def reading(self, name: str) -> Callable[[int, int], None]:
        """Return what decoding calls with (frames done, frames), shown while everything waits for it."""

        def show(done: int, total: int) -> None:
            if not self.working:
                place = f"{self.begun + 1}/{self.total}  " if self.total > 1 else ""
                frames = f" frame {done + 1}/{total}" if total > 1 else ""
                self.update(f"{place}{name}: decoding{frames}", self.begun, max(self.total, 1))

        return show

    def skip(self, count: int = 1) -> None:
        """Take out pictures that need not be made."""
        self.total -= count

    def start(self, name: str, parts: int = 1) -> "StageProgress":
        """Go on to the next picture, of `parts` (frames, alpha channels) that the network takes one after another."""
        self.begun, self.working = self.begun + 1, True
        place = f"{self.begun}/{self.total}  " if self.total > 1 else ""
        part, before = 0, 0.0

        def show(stage: str, done: int, total: int) -> None:
            nonlocal part, before
            low, high = SHARES[stage]
            share = low + (high - low) * done / max(total, 1)
            if share < before:
                part += 1
            before = share
            fraction = min((part + share) / parts, 1.0)
            self.update(f"{place}{name}: {stage}", self.begun - 1 + fraction, max(self.total, self.begun))

        show("network", 0, 1)
        return show
