"""Strict JSON for untrusted files: one possible reading, or an error."""

import json
import math
from typing import Any

MAX_VALUES = 20_000
"""Commas and brackets in a document, so that a small file cannot become a large heap of small objects."""


def parse(data: bytes, most: int = MAX_VALUES) -> Any:
    """Parse a document. Raises ValueError, in one line, for anything ambiguous, too deep or too large.

    That is: bytes that are not UTF-8, a key given twice, NaN or an infinity, more than `most` values, nesting deeper
    than Python's recursion limit.
    """
    if sum(data.count(mark) for mark in (b",", b"[", b"{")) > most:
        raise ValueError(f"more than {most} values")
    try:
        return json.loads(
            data.decode(), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite_float
        )
    except UnicodeDecodeError as error:
        raise ValueError("not UTF-8") from error
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def canonical(value: Any) -> bytes:
    """Write a value for hashing: sorted keys, no spaces, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False).encode()


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a key is given twice")
    return unique


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _finite_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is too large")
    return value
