"""Conformal calibration: the bound holds as often as it says, on data that it has not seen."""

import numpy as np
import pytest
import torch

from mapsr_cli.errors import UsageError
from mapsr_cli.evaluation.calibration import CONFIDENCES, Calibrator, coverage, fit_factors, fit_weights
from mapsr_cli.evaluation.candidates import Estimate
from mapsr_cli.evaluation.protocol import Pair
from mapsr_cli.inference.error_bars import bounds, error_map
from mapsr_cli.operators import Consistency, make_kernel
from mapsr_cli.zoo import ErrorBars
from tests.pictures import lr_of, scene

KERNEL = make_kernel("bicubic", 4)


def drawn(seed: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Predictions log s, and errors that follow them badly: heavy tails, a bias that depends on log s."""
    rng = np.random.default_rng(seed)
    score = rng.normal(2, 0.7, count)
    return score, np.abs(rng.standard_t(3, (3, count))) * np.exp(0.6 * score) * (1 + 0.2 * np.sin(2 * score))


def test_the_bound_holds_as_often_as_it_says() -> None:
    knots, factors = fit_factors(*drawn(0, 40_000))
    bars = ErrorBars((0.0, 1.0, 0.0), knots, CONFIDENCES, factors, 1, "drawn")
    score, errors = drawn(1, 40_000)
    for confidence in (*CONFIDENCES[1:], 0.75, 0.93):
        held = errors <= np.exp(score) * np.interp(score, bars.knots, bars.factors_at(confidence))
        assert held.mean() == pytest.approx(confidence, abs=0.012)
        for part in np.array_split(score.argsort(), 4):  # not on average alone
            assert held[:, part].mean() == pytest.approx(confidence, abs=0.04)
    assert (errors <= bounds(score, bars, 0.9)).mean() >= 0.9


def test_a_bound_never_falls_as_the_prediction_rises() -> None:
    score, errors = drawn(2, 500)
    knots, factors = fit_factors(score, errors[:, np.argsort(-score)])
    levels = np.array(factors) * np.exp(knots)
    assert (np.diff(levels, axis=1) >= -1e-9).all()
    assert (np.diff(levels, axis=0) >= -1e-9).all()


def test_weights_are_found_again() -> None:
    predicted = torch.cat([torch.ones(1, 500), torch.rand(2, 500, generator=torch.Generator().manual_seed(0))]).double()
    truth = torch.tensor([0.5, 1.5, -0.3], dtype=torch.float64)
    errors = (truth @ predicted).exp() - 0.5
    assert fit_weights(predicted, errors.expand(3, -1)) == pytest.approx(truth.tolist())


def pair_of(seed: int) -> tuple[Pair, Estimate]:
    """Give an estimate whose errors are larger in its textured lower half."""
    smooth = scene(64, 72, seed, contrast=0.3)
    hr = torch.cat([smooth[:, :32], scene(32, 72, seed + 99, contrast=1.0)], 1)
    noise = torch.randn(hr.shape, generator=torch.Generator().manual_seed(seed))
    y = (hr + noise * torch.cat([torch.full((32, 1), 2.0), torch.full((32, 1), 12.0)])).clamp(0, 255).round()
    return Pair(f"{seed}", hr, lr_of(hr, KERNEL), KERNEL), Estimate(y, 0.0, Consistency(), None)


def test_photographs_calibrate_for_others() -> None:
    calibrator = Calibrator()
    for seed in range(12):
        pair, estimate = pair_of(seed)
        calibrator("set", pair, {"model": (estimate, None)})  # type: ignore[dict-item]
    bars = calibrator.calibrate("12 scenes")
    assert (bars.images, bars.data) == (12, "12 scenes")
    covered = [coverage(estimate, pair, bars, 0.9) for pair, estimate in map(pair_of, range(50, 56))]
    assert 0.89 < np.mean([one["coverage"] for one in covered]) < 0.95
    pair, estimate = pair_of(60)
    found = error_map(estimate.levels, 255, bars, 0.9)
    assert found[:24].mean() < found[40:].mean() / 2


def test_coverage_is_a_share_of_samples() -> None:
    bars = ErrorBars((0.0, 0.0, 0.0), (0.0,), (0.9,), ((3.0,),), 1, "by hand")
    hr = torch.full((3, 64, 64), 100.0)
    y = hr.clone()
    y[0, :16], y[1, :16] = 103, 104
    found = coverage(Estimate(y, 0.0, Consistency(), None), Pair("flat", hr, hr[:, :16, :16], KERNEL), bars, 0.9)
    assert found == {"coverage": pytest.approx(1 - 1 / 12), "error_bar": 3.0}


def test_few_photographs_are_refused() -> None:
    with pytest.raises(UsageError, match="0 photographs"):
        Calibrator().calibrate("none")


def test_samples_count_by_their_spread() -> None:
    calibrator = Calibrator()
    pair, estimate = pair_of(0)
    spread = estimate.levels + torch.randn((4, *estimate.levels.shape), generator=torch.Generator().manual_seed(1))
    sampled = Estimate(spread[0], 0.0, Consistency(), None, samples=spread)
    calibrator("set", pair, {"model": (sampled, None)})  # type: ignore[dict-item]
    assert calibrator.predicted[0].shape == (4, 64 * 72)
    assert calibrator.predicted[0][3].mean().item() == pytest.approx(np.log(1.25) / 2, abs=0.02)
