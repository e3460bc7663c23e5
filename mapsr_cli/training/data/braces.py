"""Names from a pattern with braces, as a shell expands them: `x-{00..11}.tar`, `{a,b-{1,2}}.tar`."""

import re

RANGE = re.compile(r"(-?\d+)\.\.(-?\d+)(?:\.\.(\d+))?")
LETTERS = re.compile(r"([A-Za-z])\.\.([A-Za-z])")


def expand_braces(pattern: str) -> list[str]:
    """Expand {a,b,…}, {first..last} and {first..last..step}, nested as they may be.

    Numbers keep the width of those with leading zeros; single letters have ranges, too.

    Raises ValueError where braces are not balanced.
    """
    head, brace, rest = pattern.partition("{")
    if not brace:
        if "}" in pattern:
            raise ValueError("unbalanced braces")
        return [pattern]
    if "}" in head:
        raise ValueError("unbalanced braces")
    parts, rest = _split(rest)
    if len(parts) > 1:
        middles = [name for part in parts for name in expand_braces(part)]
    else:
        middles = _range(parts[0]) or [f"{{{name}}}" for name in expand_braces(parts[0])]
    return [head + middle + tail for middle in middles for tail in expand_braces(rest)]


def _split(text: str) -> tuple[list[str], str]:
    """Split what follows an opening brace: the parts between its commas, and what comes after its closing brace."""
    parts, start, depth = [], 0, 0
    for at, character in enumerate(text):
        if character == "{":
            depth += 1
        elif character == "}" and depth:
            depth -= 1
        elif not depth and character in ",}":
            parts.append(text[start:at])
            start = at + 1
            if character == "}":
                return parts, text[start:]
    raise ValueError("unbalanced braces")


def _range(text: str) -> list[str]:
    """Return the numbers or letters of a range; nothing for what is none."""
    if letters := LETTERS.fullmatch(text):
        return [chr(code) for code in _inclusive(*map(ord, letters.groups()))]
    if (numbers := RANGE.fullmatch(text)) is None:
        return []
    first, last, step = numbers.groups()
    width = max(len(first), len(last)) if any(re.match(r"-?0\d", end) for end in (first, last)) else 0
    return [f"{n:0{width}d}" for n in _inclusive(int(first), int(last), int(step or 1))]


def _inclusive(first: int, last: int, step: int = 1) -> range:
    return range(first, last + 1, step or 1) if first <= last else range(first, last - 1, -(step or 1))
