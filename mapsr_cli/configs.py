"""One check of a config, wherever its values come from: a checkpoint's header, TOML, or the command line.

pydantic checks; it is imported when a config is read, as commands that read none start without it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from functools import cache
from textwrap import shorten
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from annotated_types import Ge, MinLen

from mapsr_cli.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from pydantic import TypeAdapter

Count = Annotated[int, Ge(1)]
"""A width, size or number of things, at least one."""
CountTuple = Annotated[tuple[Count, ...], MinLen(1)]
"""At least one of them."""
NonNegative = Annotated[int, Ge(0)]
"""A number of things that may be none."""
C = TypeVar("C")


def make_config(kind: type[C], values: Mapping[str, Any], name: str) -> C:
    """Make a frozen dataclass of what JSON or TOML make of its fields; fields left out take their defaults.

    Types are checked strictly: a list may stand for a tuple and an int for a float, nothing else for anything else.
    Raises UsageError for an unknown field or a value of another type or range, and what the dataclass itself raises of
    MapsrErrors; `name` says in the message what is configured.
    """
    from pydantic import ValidationError

    known = [field.name for field in fields(kind)]  # type: ignore[arg-type]
    if unknown := sorted(values.keys() - set(known)):
        raise UsageError(f"{name} has no setting '{shorten(unknown[0], 80)}'", did_you_mean(unknown[0], known))
    try:
        config: C = _adapter(kind).validate_json(json.dumps(values), strict=True)  # type: ignore[arg-type]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, (name, *first["loc"])))
        given = f"={shorten(str(first['input']), 80)}" if first["loc"] else ""
        message = first["msg"].removeprefix("Value error, ").replace("Input should", "should")
        raise UsageError(f"{place}{given}: {message}") from error
    except TypeError as error:  # TOML has dates, JSON has none
        raise UsageError(f"{name}: {error}") from error
    return config


def change_config(config: C, values: Mapping[str, Any], name: str) -> C:
    """Return `config`, a frozen dataclass, with `values` in place. Raises as `make_config`."""
    return make_config(type(config), {**asdict(config), **values}, name)  # type: ignore[call-overload]


@cache
def _adapter(kind: type[Any]) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(kind)
