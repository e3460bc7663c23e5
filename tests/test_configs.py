"""Configs take what their fields' types say, and nothing else."""

from dataclasses import dataclass
from typing import Any, Literal

import pytest

from mapsr_cli.configs import Count, CountTuple, NonNegative, change_config, make_config
from mapsr_cli.errors import UsageError


@dataclass(frozen=True)
class Config:
    """Every kind of field."""

    count: Count = 1
    seed: int = 0
    maps: NonNegative = 0
    share: float = 0.5
    name: str = "a"
    on: bool = False
    widths: CountTuple = (1, 2)
    pair: tuple[int, int] = (3, 4)
    limit: float | None = None
    kind: Literal["linear", "adaptive"] = "linear"

    def __post_init__(self) -> None:
        if self.seed == 13:
            raise ValueError("13 is unlucky")
        if self.seed == 14:
            raise UsageError("14 is no better", "take 15")


@pytest.mark.parametrize(
    ("field", "given", "value"),
    [
        ("count", 7, 7),
        ("seed", -1, -1),
        ("maps", 0, 0),
        ("share", 2, 2.0),
        ("name", "7", "7"),
        ("on", True, True),
        ("widths", [5, 6, 7], (5, 6, 7)),
        ("pair", (1, 1), (1, 1)),
        ("limit", 3, 3.0),
        ("limit", None, None),
        ("kind", "adaptive", "adaptive"),
    ],
)
def test_values_take_the_fields_type(field: str, given: Any, value: Any) -> None:
    made = getattr(make_config(Config, {field: given}, "c"), field)
    assert made == value
    assert type(made) is type(value)
    assert change_config(Config(seed=5), {field: given}, "c") == make_config(Config, {"seed": 5, field: given}, "c")


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"cuont": 7}, "c has no setting 'cuont'"),
        ({"count": 1.5}, "c.count=1.5: should be a valid integer"),
        ({"count": True}, "c.count=True: should be a valid integer"),
        ({"count": "1"}, "c.count=1: should be a valid integer"),
        ({"count": 0}, "c.count=0: should be greater than or equal to 1"),
        ({"maps": -1}, "c.maps=-1: should be greater than or equal to 0"),
        ({"share": "much"}, "c.share=much: should be a valid number"),
        ({"share": True}, "c.share=True: should be a valid number"),
        ({"name": 1}, "c.name=1: should be a valid string"),
        ({"on": 1}, "c.on=1: should be a valid boolean"),
        ({"widths": []}, "at least 1 item"),
        ({"widths": [1, 0]}, "c.widths.1=0"),
        ({"pair": [1]}, "c.pair"),
        ({"pair": [1, 2, 3]}, "c.pair"),
        ({"limit": "none"}, "c.limit=none"),
        ({"kind": "cubic"}, "'linear' or 'adaptive'"),
        ({"seed": 13}, "c: 13 is unlucky"),
        ({"seed": 14}, "14 is no better"),
        ({"name": b"\xff"}, "not JSON serializable"),
        ({"name": "a" * 10_000, "seed": 1.5}, "c.seed=1.5"),
    ],
)
def test_anything_else_is_refused_in_one_line(values: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError) as raised:
        make_config(Config, values, "c")
    assert complaint in str(raised.value)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 300


def test_a_misspelt_setting_gets_a_suggestion() -> None:
    with pytest.raises(UsageError) as raised:
        make_config(Config, {"widhts": [1]}, "c")
    assert raised.value.hint.startswith("did you mean 'widths'? known: count, ")
