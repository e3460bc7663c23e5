"""Error bars of a picture: the same in bands as at once, at 8 and 16 bits; and where there are none."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch

from mapsr_cli.inference import error_bars
from mapsr_cli.inference.error_bars import WINDOWS, Variance, bounds, error_map, predictors
from mapsr_cli.zoo import ErrorBars
from mapsr_cli.zoo.error_bars import NO_BOUND
from tests.pictures import scene

BARS = ErrorBars(
    (0.4, 0.5, 0.25), (0.5, 1.5, 3.0), (0.5, 0.9, 0.99), ((0.5, 0.6, 0.7), (2, 2.2, 2.5), (5, 6, 7)), 9, "scenes"
)
SAMPLED = replace(BARS, weights=(0.3, 0.3, 0.2, 0.4))
LEVELS = scene(70, 50)


def test_predictors_are_the_mean_gradient_of_windows_cut_off_at_the_edge() -> None:
    grey = np.pad(LEVELS.double().mean(0).numpy(), 1, mode="edge")
    energy = ((grey[2:, 1:-1] - grey[:-2, 1:-1]) ** 2 + (grey[1:-1, 2:] - grey[1:-1, :-2]) ** 2) / 4
    found = predictors(LEVELS, 255, slice(0, 70))
    assert found.shape == (3, 70, 50)
    for row, column in ((0, 0), (33, 20), (69, 49), (5, 46)):
        for of, radius in zip(found[1:], WINDOWS, strict=True):
            window = energy[max(row - radius, 0) : row + radius + 1, max(column - radius, 0) : column + radius + 1]
            assert of[row, column].item() == pytest.approx(np.log(window.mean() + 0.25) / 2, abs=1e-5)


def constant(variance: float) -> Variance:
    return lambda rows: np.full((70, 50), variance)[rows]


@pytest.mark.parametrize("band", [1, 7, 33])
def test_bands_are_the_whole(band: int, monkeypatch: pytest.MonkeyPatch) -> None:
    spread = np.random.default_rng(0).gamma(2, 5, (70, 50))
    whole = [
        error_map(LEVELS, 255, BARS, 0.9),
        error_map(LEVELS, 255, SAMPLED, 0.9, variance=lambda rows: spread[rows]),
    ]
    monkeypatch.setattr(error_bars, "_ROWS", band)
    assert (error_map(LEVELS, 255, BARS, 0.9) == whole[0]).all()
    assert (error_map(LEVELS, 255, SAMPLED, 0.9, variance=lambda rows: spread[rows]) == whole[1]).all()


def test_sixteen_bits_and_grey_are_measured_in_levels_of_eight() -> None:
    eight = error_map(LEVELS, 255, BARS, 0.9)
    assert (error_map((LEVELS * 257).to(torch.int32), 65535, BARS, 0.9) == eight).all()
    grey = LEVELS.mean(0, keepdim=True).round()
    assert (error_map(grey, 255, BARS, 0.9) == error_map(grey.expand(3, -1, -1), 255, BARS, 0.9)).all()


def test_more_confidence_takes_wider_bars_and_more_spread_does_too() -> None:
    maps = [error_map(LEVELS, 255, BARS, c).astype(int) for c in (0.5, 0.8, 0.9, 0.97, 0.99)]
    for narrow, wide in pairwise(maps):
        assert (narrow <= wide).all()
        assert (narrow < wide).any()
    few, many = (error_map(LEVELS, 255, SAMPLED, 0.9, variance=constant(v)) for v in (1.0, 90.0))
    assert (few < many).all()


def test_bars_are_whole_levels_from_one_up_and_end_at_no_bound() -> None:
    assert bounds(np.array([-9.0, 0.5, 1.0, 30.0]), BARS, 0.9).tolist() == [1, 4, 6, NO_BOUND]


def test_transparent_pixels_have_no_bound() -> None:
    alpha = torch.full((1, 70, 50), 255, dtype=torch.uint8)
    alpha[:, 10:20] = 0
    found = error_map(LEVELS, 255, BARS, 0.9, alpha)
    assert (found[10:20] == NO_BOUND).all()
    assert (found[:10] == error_map(LEVELS, 255, BARS, 0.9)[:10]).all()
