"""What `--help` shows of commands, in words for people who do not program."""

import re
from difflib import get_close_matches
from typing import Any

from typer.core import TyperCommand, TyperGroup

from mapsr_cli.cli.options import MACHINE


class Command(TyperCommand):
    """A command whose help names no Python types and has `--help` in the last panel."""

    def __init__(self, *given: Any, help: str | None = None, **named: Any) -> None:  # noqa: A002 (typer's name)
        # Typer keeps the line ends of all paragraphs but the first, wherever a docstring has them.
        paragraphs = (help or "").split("\n\n")
        super().__init__(*given, help="\n\n".join(" ".join(one.split()) for one in paragraphs), **named)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse words. Raises typer's UsageError, with the option or the value that was probably meant."""
        try:
            return super().parse_args(ctx, args)
        except Exception as error:
            _suggest(error)
            raise

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters as typer shows them in help."""
        params = _without_types(super().get_params(ctx))
        for param in params:
            if "--help" in param.opts:
                param.rich_help_panel = MACHINE
        return params


class Group(TyperGroup):
    """A group of such commands."""

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the parameters as typer shows them in help."""
        return _without_types(super().get_params(ctx))


def _suggest(error: Any) -> None:
    """Add what was probably meant to typer's message on an unknown option, or on a value that is none of a choice."""
    if near := getattr(error, "possibilities", None):
        error.message, error.possibilities = f"{error.message}. Did you mean {near[0]}?", None
    elif unknown := re.search(r"'([^']*)' is not one of (.*)\.$", getattr(error, "message", "")):
        error.message = unknown[0]  # without pydantic's "Value error"
        if near := get_close_matches(unknown[1], re.findall(r"'([^']*)'", unknown[2]), 1):
            error.message += f" Did you mean '{near[0]}'?"


def _without_types(params: list[Any]) -> list[Any]:
    """Take `<bool>` from switches and `<list[Path]>` from arguments."""
    for param in params:
        if param.param_type_name == "argument":
            param.display_type_rich = lambda ctx: None
        elif param.is_flag:
            param.metavar = ""
    return params
