from dataclasses import replace

import numpy as np
import torch

from mapsr_cli.training.data import open_data, swiss_roll
from tests.training.data.conftest import TINY, take


def unrolled(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """ν₁ and ν₂ of points with ν₁ > 0: the winding whose radius is nearest."""
    radius, angle = np.hypot(*points.T), np.arctan2(points[:, 1], points[:, 0])
    nu1 = angle + 2 * np.pi * np.round((radius / 0.4 - angle) / (2 * np.pi))
    return nu1, radius - 0.4 * nu1


def test_eqns_33_to_35() -> None:
    nu1, nu2 = unrolled(swiss_roll(np.random.default_rng(0), 20000).astype(np.float64))
    assert abs(nu1.mean() - 10) < 0.1
    assert abs(nu1.std() - 3) < 0.1
    assert abs(nu2.mean()) < 0.01
    assert abs(nu2.std() - 0.2) < 0.01
    assert abs(np.corrcoef(nu1, nu2)[0, 1]) < 0.05


def test_the_roll_itself() -> None:
    points = swiss_roll(np.random.default_rng(0), 5000, noise=0)
    outer = points[np.hypot(*points.T) > 1]
    assert np.abs(unrolled(outer.astype(np.float64))[1]).max() < 1e-5


def test_as_data() -> None:
    data = open_data("swissroll:", replace(TINY, batch=500))
    points = take(data, 3)
    assert points.shape == (3, 500, 1, 1, 2)
    assert points.dtype == torch.float32
    assert data.report.served == 1500
    assert 5.5 < points.abs().max() < 10
