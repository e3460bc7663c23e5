"""Settings by name: `section.field=value` from the command line or a TOML file, checked against the dataclasses."""

import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from mapsr_cli.configs import change_config
from mapsr_cli.errors import UsageError

SectionValues = dict[str, dict[str, Any]]
"""Values by section and field."""
C = TypeVar("C")
RANGE = re.compile(r"([\d.]*\d)\.\.(\d[\d.]*)")


def read_settings(path: Path) -> SectionValues:
    """Read a TOML file of tables: `[generator]`, `[criterion]`, `[data]`, `[loop]`, …

    Raises UsageError for a file that cannot be read, is not TOML, or has values outside a table.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: not TOML ({error})") from error
    if odd := [name for name, table in content.items() if not isinstance(table, dict)]:
        raise UsageError(f"{path}: '{odd[0]}' stands outside a table", "write it under [generator], [data], [loop] …")
    return content


def parse_assignments(assignments: Sequence[str]) -> SectionValues:
    """Read `["loop.clip=1", "generator.channels=32"]`: values as TOML has them, bare words as text.

    Raises UsageError for one that is not of that form.
    """
    settings: SectionValues = {}
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


def merge(*layers: SectionValues) -> SectionValues:
    """Merge settings, field by field; later layers win."""
    merged: SectionValues = {}
    for layer in layers:
        for section, values in layer.items():
            merged.setdefault(section, {}).update(values)
    return merged


def apply(config: C, values: Mapping[str, Any], section: str) -> C:
    """Return `config`, a frozen dataclass, with `values` in place.

    The word none stands for None where that may stand, `20..100` and `75` for ranges, (20, 100) and (75, 75).

    Raises UsageError for a field, type or range that it does not have.
    """
    hints = get_type_hints(type(config))
    return change_config(config, {name: _written(value, hints.get(name)) for name, value in values.items()}, section)


def _written(value: Any, hint: Any) -> Any:
    """Return what a short way of writing stands for, of a field of type `hint`."""
    kinds = get_args(hint)
    if NoneType not in kinds:
        return value
    if value == "none":
        return None
    if any(get_origin(kind) is tuple for kind in kinds):
        if isinstance(value, str) and (ends := RANGE.fullmatch(value)):
            return [_value(end) for end in ends.groups()]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return [value, value]
    return value
