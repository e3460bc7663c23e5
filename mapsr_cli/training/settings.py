"""Settings by name: `section.field=value` from the command line or a TOML file, checked against the dataclasses."""

import tomllib
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

from mapsr_cli.errors import UsageError

Settings = dict[str, dict[str, Any]]
"""Values by section and field."""
C = TypeVar("C")


def read_settings(path: Path) -> Settings:
    """A TOML file of tables: `[generator]`, `[criterion]`, `[data]`, `[loop]`, …"""
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML ({error})") from error
    if odd := [name for name, table in content.items() if not isinstance(table, dict)]:
        raise UsageError(f"{path}: '{odd[0]}' stands outside a table", "write it under [generator], [data], [loop] …")
    return content


def parse_assignments(assignments: Sequence[str]) -> Settings:
    """`["loop.clip=1", "generator.channels=32"]`; values as TOML has them, bare words as text."""
    settings: Settings = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        section, dot, field = name.strip().partition(".")
        if not (equals and dot and section and field):
            raise UsageError(f"--set {assignment}: not of the form section.field=value", "such as --set loop.clip=1")
        settings.setdefault(section, {})[field] = _value(text.strip())
    return settings


def _value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def merge(*layers: Settings) -> Settings:
    """Later layers win, field by field."""
    merged: Settings = {}
    for layer in layers:
        for section, values in layer.items():
            merged.setdefault(section, {}).update(values)
    return merged


def apply(config: C, values: Mapping[str, Any], section: str) -> C:
    """`config`, a frozen dataclass, with `values` in place. Raises UsageError for a field or type it does not have."""
    known = {field.name for field in fields(config)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(type(config))
    changes = {}
    for name, value in values.items():
        if name not in known:
            raise UsageError(f"'{section}' has no setting '{name}'", f"it has: {', '.join(sorted(known))}")
        changes[name] = _checked(value, hints[name], f"{section}.{name}")
    try:
        return replace(config, **changes)  # type: ignore[type-var]
    except ValueError as error:
        raise UsageError(f"{section}: {error}") from error


def _checked(value: Any, hint: Any, name: str) -> Any:
    """`value` as the field's type has it: whole numbers may stand for real ones, lists for tuples."""
    kind, options = get_origin(hint), get_args(hint)
    if kind in (Union, types.UnionType):
        for option in options:
            try:
                return _checked(value, option, name)
            except UsageError:
                continue
    elif kind is Literal:
        if value in options:
            return value
    elif kind is tuple and isinstance(value, list | tuple):
        repeated = len(options) == 2 and options[1] is Ellipsis
        wanted = (options[0],) * len(value) if repeated else options
        if len(wanted) == len(value):
            return tuple(_checked(v, w, name) for v, w in zip(value, wanted, strict=True))
    elif hint is types.NoneType and value in (None, "none"):
        return None
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif isinstance(hint, type) and kind is None and type(value) is hint:
        return value
    raise UsageError(f"{name}={value}: not {_readable(hint)}")


def _readable(hint: Any) -> str:
    if get_origin(hint) is Literal:
        return "one of " + ", ".join(map(str, get_args(hint)))
    return hint.__name__ if isinstance(hint, type) and get_origin(hint) is None else str(hint)
