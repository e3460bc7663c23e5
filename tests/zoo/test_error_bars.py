"""A calibration in a card: read strictly, kept bit for bit, absent where there is none."""

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mapsr_cli.errors import CheckpointError
from mapsr_cli.zoo import ErrorBars, load_model, rewrite_card
from mapsr_cli.zoo.card import parse_card
from mapsr_cli.zoo.error_bars import parse_error_bars

BARS = ErrorBars((0.4, 0.5, 0.25), (0.0, 1.0, 2.5), (0.5, 0.9, 0.99), ((1, 1, 1), (2, 2.5, 3), (6, 7, 8)), 20, "photos")


def test_factors_of_a_confidence_lie_between_those_that_were_calibrated() -> None:
    assert BARS.factors_at(0.9) == pytest.approx([2, 2.5, 3])
    assert BARS.factors_at(0.5) == [1, 1, 1]
    between = 1 - (0.1 * 0.01) ** 0.5  # half way in log(1 − c)
    assert BARS.factors_at(between) == pytest.approx([4, 4.75, 5.5])


def test_a_rewritten_card_keeps_the_tensors(tiny_model: Path, tmp_path: Path) -> None:
    target = tmp_path / "calibrated.safetensors"
    card = load_model(tiny_model).card
    assert card.error_bars is None
    assert "error_bars" not in card.to_header()
    rewrite_card(tiny_model, target, replace(card, error_bars=BARS))
    again = load_model(target)
    assert again.card == replace(card, error_bars=BARS)
    before, after = load_file(tiny_model), load_file(target)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        assert tensor.dtype == after[name].dtype
        assert torch.equal(tensor, after[name])
    rewrite_card(target, target, card)
    assert target.read_bytes() == tiny_model.read_bytes()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("weights", [0.1, 0.2]),
        ("weights", [0.1, 0.2, "x"]),
        ("weights", [0.1, 0.2, float("nan")]),
        ("knots", [1.0, 1.0, 2.0]),
        ("knots", []),
        ("confidences", [0.5, 0.9, 1.0]),
        ("confidences", [0.5, 0.9]),
        ("factors", [[1, 2, 3], [2, 3, 4], [3, 4]]),
        ("factors", [[1, 2, 3], [2, 3, 4], [3, 4, -1]]),
        ("factors", None),
        ("images", 2.5),
        ("data", None),
    ],
)
def test_anything_else_is_refused(key: str, value: Any, tiny_model: Path) -> None:
    bars = {**asdict(BARS), key: value}
    with pytest.raises(ValueError, match="error_bars"):
        parse_error_bars(bars)
    header = {**load_model(tiny_model).card.to_header(), "error_bars": bars}
    with pytest.raises(CheckpointError, match="error_bars"):
        parse_card(header, "there")


def test_missing_and_unknown_fields_are_refused() -> None:
    fields = asdict(BARS)
    odds: list[Any] = [{**fields, "more": 1}, {k: v for k, v in fields.items() if k != "knots"}, None, []]
    for odd in odds:
        with pytest.raises(ValueError, match="other fields"):
            parse_error_bars(odd)
