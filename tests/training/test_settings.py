"""Settings by name are checked against the dataclasses."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pytest

from mapsr_cli.errors import UsageError
from mapsr_cli.training.settings import apply, merge, parse_assignments, read_settings


@dataclass(frozen=True)
class Config:
    """Every kind of field."""

    count: int = 1
    share: float = 0.5
    name: str = "a"
    on: bool = False
    widths: tuple[int, ...] = (1, 2)
    pair: tuple[int, int] = (3, 4)
    limit: float | None = None
    range: tuple[float, float] | None = None
    kind: Literal["linear", "adaptive"] = "linear"

    def __post_init__(self) -> None:
        if self.count < 0:
            raise ValueError("count must not be negative")


@pytest.mark.parametrize(
    ("text", "field", "value"),
    [
        ("c.count=7", "count", 7),
        ("c.share=2", "share", 2.0),
        ("c.share=1e-4", "share", 1e-4),
        ("c.name=b", "name", "b"),
        ("c.on=true", "on", True),
        ("c.widths=[5, 6, 7]", "widths", (5, 6, 7)),
        ("c.pair=[1, 1]", "pair", (1, 1)),
        ("c.range=0..2.5", "range", (0.0, 2.5)),
        ("c.range=20..100", "range", (20.0, 100.0)),
        ("c.range=[1, 2]", "range", (1.0, 2.0)),
        ("c.range=3", "range", (3.0, 3.0)),
        ("c.range=none", "range", None),
        ("c.limit=3", "limit", 3.0),
        ("c.limit=none", "limit", None),
        ("c.kind=adaptive", "kind", "adaptive"),
    ],
)
def test_values_take_the_fields_type(text: str, field: str, value: object) -> None:
    made = getattr(apply(Config(), parse_assignments([text])["c"], "c"), field)
    assert made == value
    assert type(made) is type(value)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("c.cuont=7", "no setting 'cuont'"),
        ("c.count=1.5", "c.count=1.5: should be a valid integer"),
        ("c.count=true", "c.count=True: should be a valid integer"),
        ("c.share=much", "c.share=much: should be a valid number"),
        ("c.kind=cubic", "c.kind=cubic: should be 'linear' or 'adaptive'"),
        ("c.pair=[1]", "c.pair.1"),
        ("c.widths=[1.5]", "c.widths.0=1.5: should be a valid integer"),
        ("c.count=-1", "must not be negative"),
        ("c.range=1..", "c.range"),
        ("c.range=-1..2", "c.range"),
        ("c.count=1..2", "c.count=1..2"),
    ],
)
def test_typos_and_wrong_types_are_refused(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as raised:
        apply(Config(), parse_assignments([text])["c"], "c")
    assert complaint in str(raised.value)


@pytest.mark.parametrize("text", ["count=1", "c.count", "=1", ".=1"])
def test_an_assignment_names_section_and_field(text: str) -> None:
    with pytest.raises(UsageError, match=r"section\.field=value"):
        parse_assignments([text])


def test_later_layers_win(tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("[c]\ncount = 2\nname = 'file'\n")
    assert merge(read_settings(path), {"c": {"name": "flag"}}) == {"c": {"count": 2, "name": "flag"}}


@pytest.mark.parametrize("text", ["[c\n", "count = 1\n"])
def test_a_bad_file_is_told(tmp_path: Path, text: str) -> None:
    path = tmp_path / "run.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"run\.toml"):
        read_settings(path)


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_settings(tmp_path / "none.toml")
