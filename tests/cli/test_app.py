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
        "upscale", "verify", "project", "redo", "compare", "downscale", "export", "fit-pinv", "fit-kernel", "train",
        "evaluate", "reproduce", "data", "data prepare", "models",
        *(f"models {name}" for name in ("list", "show", "pull", "push", "verify", "rm")),
    }  # fmt: skip


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example(mapsr: Mapsr, words: list[str]) -> None:
    done = mapsr(*words, "--help")
    assert done.code == 0
    assert f"Example: mapsr {' '.join(words)} " in " ".join(done.stdout.split()) + " "


def test_version(mapsr: Mapsr) -> None:
    assert mapsr("--version").stdout.startswith("mapsr 0.")


@pytest.mark.parametrize(
    ("words", "suggestion"),
    [
        ("enlarge", "No such command 'enlarge'"),
        ("upscal", "Did you mean 'upscale'?"),
        ("models lst", "Did you mean 'list'?"),
        ("upscale a.png --modle x", "No such option: --modle. Did you mean --model?"),
        ("models list --jsno", "Did you mean --json?"),
        ("upscale a.png --consistency bitz", "'bitz' is not one of 'bits', 'float', 'none'. Did you mean 'bits'?"),
        ("reproduce tabel1", "Did you mean 'table1'?"),
        ("upscale a.png --kernel bicubik", "did you mean 'bicubic'?"),
        ("upscale a.png -m natural-x4-afmse", "did you mean 'natural-x4-affmse'?"),
        ("train afgan --data .", "did you mean 'affgan'?"),
        ("train affgan --data . --preset compakt", "did you mean 'compact'?"),
        ("train affgan --data . --log cvs", "did you mean 'csv'?"),
    ],
)
def test_misspelt_words_get_a_suggestion(
    mapsr: Mapsr, words: str, suggestion: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = mapsr(*words.split())
    assert done.code in (1, 2)
    assert suggestion in done.stderr
    assert "Value error" not in done.stderr
