"""The help of every command: as kept in docs/cli/, 80 columns wide, complete."""

from collections.abc import Iterator
from typing import Any

import pytest

from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.imaging import MAX_PIXELS
from mapsr_cli.imaging.encoding import LOSSY_QUALITY
from mapsr_cli.networks import DEFAULT_PRESET, PRESETS
from mapsr_cli.operators.fit_pinv import FitConfig
from mapsr_cli.operators.kernels import SCALES
from mapsr_cli.training.data.config import DataConfig
from mapsr_cli.zoo import DEFAULT_MODEL, RESTORER
from tools.cli_help import COLUMNS, FOLDER, commands, file_of, help_text

COMMANDS = dict(commands())


def options() -> Iterator[tuple[tuple[str, ...], Any]]:
    for words, command in commands():
        yield from ((words, p) for p in command.params if p.param_type_name == "option" and not p.hidden)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_help_is_as_kept_in_the_documentation(words: tuple[str, ...]) -> None:
    text, command = help_text(words), COMMANDS[words]
    assert text == file_of(words).read_text("utf-8"), "python -m tools.cli_help writes docs/cli anew"
    assert max(map(len, text.splitlines())) <= COLUMNS
    assert command.epilog in text.splitlines()[-1]
    assert command.epilog.startswith(f"Example: {' '.join(('mapsr', *words))}")


def test_no_help_is_kept_of_what_is_gone() -> None:
    assert set(FOLDER.iterdir()) == {file_of(words) for words in COMMANDS}


def test_every_option_that_takes_a_value_has_a_default_or_is_required() -> None:
    for words, option in options():
        text = file_of(words).read_text("utf-8")
        assert option.help.endswith("."), (words, option.name)
        assert f"{option.opts[0]} " in text, (words, option.name)
        if not option.is_flag:
            assert option.metavar, (words, option.name)
            assert option.metavar in text, (words, option.name)  # whole, on one line
            assert option.required or option.show_default, (words, option.name)
            assert option.required or option.default is not None or isinstance(option.show_default, str), option.name


def default(command: str, name: str) -> Any:
    """What help shows in words, as no value of the code may be imported for it."""
    (found,) = (one for words, one in options() if " ".join(words) == command and name in one.opts)
    return found.show_default


def test_defaults_in_words_are_those_of_the_code() -> None:
    assert default("export", "--model") == DEFAULT_MODEL
    assert default("upscale", "--model") == f"{DEFAULT_MODEL}, or {RESTORER}"
    for command in ("upscale", "verify", "downscale"):
        assert default(command, "--max-pixels") == str(MAX_PIXELS)
    assert default("upscale", "--quality") == f"{LOSSY_QUALITY} for JPEG and AVIF"
    assert default("fit-pinv", "--steps") == str(FitConfig().steps)
    assert default("train", "--preset") == DEFAULT_PRESET
    assert default("train", "--batch") == str(DataConfig().batch)
    (scale,) = (one for words, one in options() if words == ("verify",) and "--scale" in one.opts)
    assert scale.metavar == "|".join(map(str, SCALES))


def test_train_names_every_method_and_preset() -> None:
    text = " ".join(help_text(("train",)).replace("│", " ").split())
    for name in (*METHODS, *PRIORS, *PRESETS):
        assert name in text.replace(",", " ").replace(".", " ").split(), name
