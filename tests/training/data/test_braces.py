"""Brace patterns, as a shell expands them."""

import pytest

from mapsr_cli.training.data.braces import expand_braces


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("x", ["x"]),
        ("x-{8..10}.tar", ["x-8.tar", "x-9.tar", "x-10.tar"]),
        ("{008..010}", ["008", "009", "010"]),
        ("{3..1}", ["3", "2", "1"]),
        ("{1..9..4}", ["1", "5", "9"]),
        ("{-1..1}", ["-1", "0", "1"]),
        ("{a..c}", ["a", "b", "c"]),
        ("{a,b}{1..2}", ["a1", "a2", "b1", "b2"]),
        ("a{b{1..2}c,d}e", ["ab1ce", "ab2ce", "ade"]),
        ("{,a}", ["", "a"]),
        ("{5}", ["{5}"]),
    ],
)
def test_patterns(pattern: str, names: list[str]) -> None:
    assert expand_braces(pattern) == names


@pytest.mark.parametrize("pattern", ["{a", "a}", "{a{b}", "}{"])
def test_unbalanced_braces_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="unbalanced"):
        expand_braces(pattern)
