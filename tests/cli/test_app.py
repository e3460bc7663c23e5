import subprocess
import sys
from collections.abc import Iterator
from typing import cast

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from mapsr_cli.cli.app import app
from tests.cli.conftest import Mapsr


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from typer.testing import CliRunner\n"
        "from mapsr_cli.cli.app import app\n"
        "done = CliRunner().invoke(app, ['--help'])\n"
        "assert done.exit_code == 0 and 'upscale' in done.output, done.output\n"
        "heavy = {'torch', 'pydantic', 'numpy', 'PIL', 'safetensors', 'huggingface_hub'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def commands(group: TyperGroup, *above: str) -> Iterator[list[str]]:
    """The words of every command and group below `group`."""
    for name, command in group.commands.items():
        yield [*above, name]
        if isinstance(command, TyperGroup):
            yield from commands(command, *above, name)


COMMANDS = list(commands(cast(TyperGroup, get_command(app))))


def test_the_commands_are_those_of_the_contract() -> None:
    assert {" ".join(words) for words in COMMANDS} == {
        "upscale", "verify", "project", "downscale", "export", "fit-pinv", "train", "evaluate", "reproduce", "models",
        *(f"models {name}" for name in ("list", "show", "pull", "push", "verify", "rm")),
    }  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(mapsr: Mapsr, words: list[str]) -> None:
    done = mapsr(*words, "--help")
    assert done.code == 0
    assert f"Example: mapsr {' '.join(words)} " in " ".join(done.stdout.split()) + " "


def test_version(mapsr: Mapsr) -> None:
    assert mapsr("--version").stdout.startswith("mapsr 0.")


def test_unknown_commands(mapsr: Mapsr) -> None:
    assert mapsr("enlarge").code == 2
