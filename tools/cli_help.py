"""Write the help of every command to docs/cli/: run it after a change of the command line, from the root.

    python -m tools.cli_help

A test compares these files with what the commands print.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from typer.main import get_command
from typer.testing import CliRunner

from mapsr_cli.cli.app import app

FOLDER = Path(__file__).parent.parent / "docs" / "cli"
COLUMNS = 80


def commands() -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield the words of each command behind `mapsr`, and the command itself; groups before their commands."""
    yield from _below((), get_command(app))


def _below(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, one in getattr(command, "commands", {}).items():
        yield from _below((*words, name), one)


def help_text(words: tuple[str, ...]) -> str:
    """Return what `mapsr WORDS --help` prints on a terminal of 80 columns, without colours."""
    environment = {"COLUMNS": str(COLUMNS), "NO_COLOR": "1"}
    done = CliRunner().invoke(app, [*words, "--help"], prog_name="mapsr", env=environment)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", done.output).splitlines()
    return "\n".join(line.rstrip() for line in lines).strip("\n") + "\n"


def file_of(words: tuple[str, ...]) -> Path:
    """Return where the help of a command is kept: docs/cli/models-list.txt."""
    return FOLDER / f"{'-'.join(words) or 'mapsr'}.txt"


def main() -> None:
    """Write all files, and remove those of commands that no longer exist."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    texts = {file_of(words): help_text(words) for words, _ in commands()}
    for path in FOLDER.glob("*.txt"):
        if path not in texts:
            path.unlink()
    for path, text in texts.items():
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main()
