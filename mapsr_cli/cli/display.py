"""How far a training is: a bar on a terminal, plain lines elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from mapsr_cli.cli.report import has_terminal, say, stderr

if TYPE_CHECKING:
    from rich.console import Group
    from rich.live import Live

    from mapsr_cli.training.loop import Status

PLAIN_SECONDS = 60.0
"""Computing time between lines where there is no terminal."""
UNITS = {"valid/psnr_y": " dB", "valid/psnr": " dB"}
LABELS = {
    "valid/psnr_y": "last validation",
    "valid/psnr": "last validation",
    "valid/ssim_y": "SSIM",
    "valid/gradient_energy": "gradient energy",
    "valid/ssimulacra2": "SSIMULACRA2",
    "valid/consistency_mse": "MSE(x, Aŷ)",
}


class Show(Protocol):
    """Show how far a training is; where several go on at once, each has a name."""

    def __call__(self, status: "Status", name: str = "") -> None:
        """Show a status; `name` is empty where only one training goes on."""


def _clock(seconds: float) -> str:
    if seconds == float("inf"):
        return "–"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _number(name: str, value: float) -> str:
    unit = UNITS.get(name, "")
    return f"{value:.3f}{unit}" if unit or 0.01 <= abs(value) < 1000 else f"{value:.3g}"


def panel(status: "Status", name: str = "") -> "Group":
    """Return a bar with the time left, and below it the figures."""
    from rich.console import Group
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    top = Table.grid(padding=(0, 2), expand=True)
    for ratio in (0, 1, 0, 0):
        top.add_column(ratio=ratio or None, no_wrap=True)
    title = f"{name}  step {status.step:,}" if name else f"step {status.step:,}"
    bar = ProgressBar(total=1.0, completed=status.progress)
    top.add_row(Text(title, "bold"), bar, f"{status.progress:.0%}", f"left {_clock(status.left)}")
    lines = [Text("  ".join(_figures(status))), Text(_pace(status), "dim")]
    if status.skipped:
        lines.append(Text(f"{status.skipped} updates were skipped: they were not finite", "yellow"))
    return Group(top, *lines)


def line(status: "Status") -> str:
    """Return the same on one line."""
    return "  ".join((f"step {status.step}", *_figures(status), f"{_pace(status)}, left {_clock(status.left)}"))


def _figures(status: "Status") -> list[str]:
    return [f"{LABELS.get(name, name)} {_number(name, value)}" for name, value in status.values.items()]


def _pace(status: "Status") -> str:
    return f"{status.images_per_second:.1f} images/s, waiting for data {status.waiting:.1%}"


@contextmanager
def training_display(quiet: bool = False, opening: str = "") -> Iterator[Show]:
    """Yield what the loop calls with each status; until it does, `opening` says on a terminal what goes on."""
    if quiet:
        yield lambda status, name="": None
    elif has_terminal():
        from rich.live import Live

        with Live(opening, console=stderr(), refresh_per_second=4, transient=True, redirect_stdout=False) as live:
            yield _lively(live)
    else:
        yield _plain()


def _lively(live: "Live") -> Show:
    """Return what shows a panel for each training that goes on."""
    from rich.console import Group

    panels: dict[str, Group] = {}

    def show(status: "Status", name: str = "") -> None:
        panels[name] = panel(status, name)
        live.update(Group(*panels.values()))
        if status.progress >= 1.0:
            del panels[name]

    return show


def _plain() -> Show:
    """Return what prints a line a minute for each training, and one at its end."""
    said: dict[str, float] = {}

    def show(status: "Status", name: str = "") -> None:
        ended = status.progress >= 1.0
        if ended or status.seconds - said.get(name, -PLAIN_SECONDS) >= PLAIN_SECONDS:
            said[name] = -PLAIN_SECONDS if ended else status.seconds
            say(f"{name}  {line(status)}" if name else line(status))

    return show
