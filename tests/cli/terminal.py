"""Run a command on a terminal: a pseudo-terminal with what a person would see on it."""

import os
import pty
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyte
import pytest

from mapsr_cli.cli import report
from mapsr_cli.cli.app import app

Seen = tuple[int, list[str], list[str]]


def on_terminal(patch: pytest.MonkeyPatch, *words: object, columns: int = 80, stdout: Path | None = None) -> Seen:
    """Run a command; see `watch`."""
    return watch(patch, lambda: app([str(word) for word in words], prog_name="mapsr"), columns, stdout)


def watch(patch: pytest.MonkeyPatch, call: Callable[[], object], columns: int = 80, stdout: Path | None = None) -> Seen:
    """Return the exit code, the lines on the screen at the end, and every line that was on it at some time.

    Standard output is the terminal too, unless it goes to a file.
    """
    patch.setenv("TERM", "xterm")
    patch.setenv("COLUMNS", str(columns))
    patch.delenv("NO_COLOR", raising=False)
    report.stderr.cache_clear()
    screen = pyte.Screen(columns, 50)
    stream = pyte.ByteStream(screen)
    seen: list[str] = []
    master, slave = pty.openpty()

    def read() -> None:
        while True:
            try:
                data = os.read(master, 4096)
            except OSError:
                return
            for piece in data.splitlines(keepends=True):  # what is drawn and taken away at once was there, too
                stream.feed(piece)
                seen.extend(line for line in map(str.rstrip, screen.display) if line not in seen)

    reader = threading.Thread(target=read)
    reader.start()
    with (
        os.fdopen(slave, "w", buffering=1) as terminal,
        open(stdout or os.devnull, "w") as file,  # noqa: PTH123 (the null device, too)
        patch.context() as streams,
    ):
        streams.setattr(sys, "stderr", terminal)
        streams.setattr(sys, "stdout", file if stdout else terminal)
        code = _exit_code(call)
    reader.join(5)  # the slave is closed: reading fails
    os.close(master)
    report.stderr.cache_clear()
    return code, [line.rstrip() for line in screen.display if line.strip()], seen


def _exit_code(call: Callable[[], object]) -> int:
    code: Any = 0
    try:
        call()
    except SystemExit as end:
        code = end.code
    return int(code or 0)
