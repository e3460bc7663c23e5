"""How commands print: results on stdout, the rest on stderr; errors in one line, what to do in another."""

import json
import math
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from threading import RLock
from typing import TYPE_CHECKING, Any, TextIO

import typer

from mapsr_cli.errors import MapsrError, as_failure
from mapsr_cli.files import write_error

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console
    from rich.progress import Progress

    from mapsr_cli.imaging import Picture
    from mapsr_cli.inference.report import UpscaleReport

_lost: list[OSError] = []
"""Why standard output could not be written, in this command."""
_turn = RLock()
"""Held by whoever prints: results and remarks come from several threads, and a bar steps aside for them."""
_bars: list["Progress"] = []
"""What is drawn on the terminal's last line, by `above`."""
WIDE = 240
"""Columns of a table that goes into a file or a pipe, where nothing needs to fold."""


@cache
def stderr() -> "Console":
    """Return the console for remarks. Rich takes 0.1 s to import: commands that say nothing do without."""
    from rich.console import Console

    # No markup: whatever is said may hold the name of a file, and no escaping of [ and \ survives Rich in every case.
    return Console(stderr=True, highlight=False, soft_wrap=True, markup=False, emoji=False)


def say(line: str) -> None:
    """Print a remark on standard error. Where that cannot be written, the remark is lost and nothing else."""
    try:
        with _turn:
            stderr().print(printable(line))
    except OSError:
        drop(sys.stderr)


def result(line: str) -> None:
    """Print a result for people, on stdout; on a terminal, above what is drawn there."""
    with _output():
        typer.echo(printable(line))


def guarantee(source: "Path", target: "Path", report: "UpscaleReport", lossless: bool, promised: bool = True) -> str:
    """Print the notes on a file that was made, and return in a few words whether it agrees with its original.

    `promised`: whether it was to do so everywhere; then what is off is noted.
    """
    consistency = report.consistency
    for note in (*report.notes, *consistency.notes()):
        say(f"note: {source}: {note}")
    if not lossless:
        say(f"note: {target} is lossy: the guarantee ends there, save as PNG to keep it")
        return "lossy"
    if consistency.holds:
        return consistency.promise
    if promised:
        say(f"note: {target}: made small again, it has {consistency.describe()}")
    return f"{math.floor(1e6 * consistency.share) / 1e4:.4f} % {consistency.unit}"  # not 100 where one is off


def noise(original: "Picture") -> str:
    """Say what noise an original is taken to have; nothing of none."""
    return f", σ = {original.noise:.2g} levels" if original.noise else ""


def evidence(original: "Picture") -> dict[str, Any]:
    """Return what an original is taken to say, as `--json` prints it."""
    if original.noise:
        return {"evidence": "noise", "noise": original.noise}
    return {"evidence": "levels" if original.jpeg is None else "jpeg"}


@contextmanager
def _output() -> Iterator[None]:
    """Print on standard output here. Where that cannot be written, work goes on, and the exit code tells."""
    try:
        with _turn, _paused():
            yield
    except OSError as error:
        lose_output(error)


def lose_output(error: OSError) -> None:
    """Say why standard output cannot be written, and write nothing there from now on."""
    if not isinstance(error, BrokenPipeError):  # that is the reader's own will
        complain(write_error("standard output", error))
    drop(sys.stdout)
    _lost.append(error)


def has_terminal() -> bool:
    """Tell whether standard error is a terminal, where progress may be drawn."""
    return sys.stderr.isatty() and stderr().is_terminal


@contextmanager
def above(bar: "Progress") -> Iterator[None]:
    """Draw a bar of one line at the end of the terminal; whatever is printed meanwhile stands above it."""
    bar.start()
    _bars.append(bar)
    try:
        yield
    finally:
        _bars.remove(bar)
        bar.stop()


@contextmanager
def _paused() -> Iterator[None]:
    """Take the bar away while something is printed on a terminal that it may share."""
    bars = list(_bars) if sys.stdout.isatty() else []
    for bar in bars:
        bar.stop()
    try:
        yield
    finally:
        if bars:
            sys.stdout.flush()
        for bar in bars:
            bar.start()


def wrote(*paths: "Path | None") -> None:
    """Say which files were written beside the result; those that are None were not asked for."""
    for path in paths:
        if path is not None:
            say(f"wrote {path}")


def printable(text: str) -> str:
    """Escape what a terminal does not take: names of files may hold anything, line ends and bytes that are no text."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogateescape").decode() for c in text)


def table(title: str | None, titles: Sequence[str], rows: Sequence[Sequence[tuple[str, bool]]], texts: int = 1) -> None:
    """Print a table for people on stdout: cells (text, bold), the first `texts` columns flush left, others right."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    heading = None if title is None else Text(one_line(title), "bold")
    drawn = Table(title=heading, title_justify="left", box=SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    for index, name in enumerate(titles):
        drawn.add_column(name, justify="left" if index < texts else "right", overflow="fold")
    for row in rows:
        drawn.add_row(*(Text(one_line(text), "bold" if bold else "") for text, bold in row))
    with _output():
        Console(highlight=False, width=None if sys.stdout.isatty() else WIDE).print(drawn)


def document(content: dict[str, Any]) -> None:
    """Print a result for programs on standard output."""
    with _output():
        typer.echo(json.dumps(content, indent=2, allow_nan=False))


def complain(error: MapsrError) -> None:
    """Print one line that says what is wrong, and one that says what to do."""
    from rich.text import Text

    try:
        with _turn:
            stderr().print(Text.assemble(("error:", "bold red"), " ", one_line(str(error))))
            if error.hint:
                stderr().print(f"  {one_line(error.hint)}")
    except OSError:
        drop(sys.stderr)


def one_line(text: str) -> str:
    """Put text on one line, as any terminal takes it."""
    return printable(" ".join(text.split()))


@contextmanager
def failures(debug: bool) -> Iterator[None]:
    """Turn whatever goes wrong in a command into two lines and an exit code."""
    _lost.clear()
    try:
        yield
    except (typer.Exit, typer.Abort, typer.BadParameter):
        raise
    except KeyboardInterrupt as error:
        raise typer.Exit(130) from error
    except BrokenPipeError as error:  # the reader of standard output has closed it
        drop(sys.stdout)
        raise typer.Exit(1) from error
    except Exception as error:
        if debug:
            raise
        failure = as_failure(error)
        complain(failure)
        raise typer.Exit(failure.exit_code) from error
    if _lost:
        raise typer.Exit(1)


def drop(stream: TextIO) -> None:
    """Send a stream nowhere from now on, with what it still holds: Python would try that once more as it ends."""
    with suppress(OSError), open(os.devnull, "wb") as nowhere:  # noqa: PTH123 (no path of ours)
        os.dup2(nowhere.fileno(), stream.fileno())  # OSError: the stream is no file, and nothing is tried
