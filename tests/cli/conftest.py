"""Run commands as a user does, in this process."""

import errno
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mapsr_cli.cli.app import app


@dataclass(frozen=True)
class Outcome:
    code: int
    stdout: str
    stderr: str
    data: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


@pytest.fixture
def closed_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that may not be listed, not even by root."""

    def guarded(path: Any = ".") -> Any:
        if Path(path).name == "closed":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scandir(path)

    scandir = os.scandir
    monkeypatch.setattr(os, "scandir", guarded)
    (tmp_path / "closed").mkdir()
    return tmp_path / "closed"


Mapsr = Callable[..., Outcome]


@pytest.fixture
def mapsr() -> Mapsr:
    def run(*words: object, stdin: bytes | None = None) -> Outcome:
        if state := sys.modules.get("accelerate.state"):  # as in a process of its own
            state.AcceleratorState._reset_state(True)
        done = CliRunner().invoke(app, [str(w) for w in words], input=stdin)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        text = done.stdout_bytes.decode(errors="replace")
        return Outcome(done.exit_code, text, done.stderr, done.stdout_bytes)

    return run
