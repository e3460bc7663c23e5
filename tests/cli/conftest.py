"""Run commands as a user does, in this process."""

import json
from collections.abc import Callable
from dataclasses import dataclass
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


Mapsr = Callable[..., Outcome]


@pytest.fixture
def mapsr() -> Mapsr:
    def run(*words: object, stdin: bytes | None = None) -> Outcome:
        done = CliRunner().invoke(app, [str(w) for w in words], input=stdin)
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        text = done.stdout_bytes.decode(errors="replace")
        return Outcome(done.exit_code, text, done.stderr, done.stdout_bytes)

    return run
