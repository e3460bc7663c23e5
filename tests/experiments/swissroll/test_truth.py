"""The density, the posterior and MAP against what can be computed by hand."""

import math

import pytest
import torch

from mapsr_cli.experiments.swissroll.posterior import Posterior
from mapsr_cli.experiments.swissroll.truth import (
    DensityMap,
    KernelDensity,
    downscaled,
    map_estimates,
    on_line,
    roll_density,
)

TWO = KernelDensity(torch.tensor([[2.0, 0.0], [-1.0, 1.0], [-1.0, 1.0]]), bandwidth=0.2)


def test_the_density_is_the_mean_of_its_kernels() -> None:
    y = torch.tensor([[2.0, 0.1], [-1.0, 1.0], [0.5, 0.5]], dtype=torch.float64)
    exact = KernelDensity(TWO.points.double(), 0.2).log_prob(y)
    for place, found in zip(y, exact, strict=True):
        kernels = [math.exp(-((place - p) ** 2).sum().item() / 0.08) / (2 * math.pi * 0.04) for p in TWO.points]
        assert found.item() == pytest.approx(math.log(sum(kernels) / 3), rel=1e-10)
    torch.testing.assert_close(TWO.log_prob(y.float()).double(), exact, rtol=0, atol=1e-3)


def test_cross_entropy_is_mean_and_median_of_the_information() -> None:
    y = torch.tensor([[2.0, 0.0], [2.0, 0.0], [-1.0, 1.0]])
    rare, common = math.log(3 * 2 * math.pi * 0.04), math.log(1.5 * 2 * math.pi * 0.04)
    entropy, median = TWO.cross_entropy(y)
    assert entropy == pytest.approx((2 * rare + common) / 3, abs=1e-4)
    assert median == pytest.approx(rare, abs=1e-4)


def test_the_map_looks_the_density_up() -> None:
    grid = DensityMap.of(TWO, reach=4.0)
    assert (grid.values.sum() * grid.step**2).item() == pytest.approx(1.0, abs=1e-3)
    y = torch.tensor([[2.0, 0.1], [-1.0, 1.1], [-0.8, 0.9]])
    torch.testing.assert_close(grid.prob(y).log(), TWO.log_prob(y), rtol=0, atol=0.05)


def test_map_takes_the_likeliest_point_of_the_line() -> None:
    """On y1 + y2 = 0 lies the double point (−1, 1), on y1 + y2 = 2 the single one (2, 0)."""
    x = torch.tensor([0.0, 1.0])
    found = map_estimates(x, TWO, DensityMap.of(TWO, reach=4.0), reach=3.0)
    torch.testing.assert_close(found, torch.tensor([[-1.0, 1.0], [2.0, 0.0]]), rtol=0, atol=0.02)
    torch.testing.assert_close(found.mean(dim=1), x)


def test_posterior_mean_and_median() -> None:
    """x = 0.5: the points are on the line, one of three at t = 1.5, two of three at t = −1.5."""
    centred = KernelDensity(torch.tensor([[2.01, -0.99], [-0.99, 2.01], [-0.99, 2.01]]))  # of the map's cells
    posterior = Posterior.of(torch.tensor([0.51]), DensityMap.of(centred, reach=4.0).prob)
    assert posterior.mean()[0, 0].item() == pytest.approx(0.51 - 0.5, abs=0.01)
    assert posterior.median()[0, 0].item() == pytest.approx(0.51 - 1.5, abs=0.2)
    torch.testing.assert_close(posterior.mean().mean(dim=1), torch.tensor([0.51]))


def test_the_rolls_density_has_the_rolls_moments() -> None:
    """∫ p, ∫ p |y|² and ∫ p y₁ against E 1, E r² and E r cos ν₁ of eqns (33)–(35), by the trapezium rule in polars.

    p(y)|y| of opposite directions together is smooth through the origin, so the rule errs less than any power.
    """
    radius = torch.arange(0, 16, 0.02, dtype=torch.float64)
    direction = 2 * math.pi * torch.arange(600, dtype=torch.float64) / 600
    y = torch.stack([radius[:, None] * direction.cos(), radius[:, None] * direction.sin()], dim=-1)
    weight = roll_density(y) * radius[:, None] * 0.02 * 2 * math.pi / 600
    weight[0] = roll_density(1e-9 * y[1]) * 1e-9 * 0.02 * 0.02 * math.pi / 600  # its limit, half
    assert weight.sum().item() == pytest.approx(1, abs=1e-10)
    assert (weight * y.square().sum(dim=-1)).sum().item() == pytest.approx(0.16 * (10**2 + 3**2) + 0.2**2, abs=1e-9)
    # E ν₁ cos ν₁ = Re(−i φ′(1)) of the normal's characteristic function φ(t) = exp(10it − 9t²/2)
    first = math.exp(-4.5) * (10 * math.cos(10) - 9 * math.sin(10))
    assert (weight * y[..., 0]).sum().item() == pytest.approx(0.4 * first, abs=1e-10)


def test_the_exact_estimators_have_the_least_errors() -> None:
    """Any shift of the mean costs squares, any of the median absolutes; samples have the posterior's mean, spread."""
    x = torch.tensor([-2.0, 0.5, 3.1])
    posterior = Posterior.of(x)
    weights, t = posterior.weights.double(), posterior.t.double()
    mean, median = posterior.mean()[:, 0].double() - x, posterior.median()[:, 0].double() - x

    def risk(at: torch.Tensor, power: int) -> torch.Tensor:
        return (weights * (t - at[:, None]).abs() ** power).sum(dim=1)

    for shift in (-0.1, 0.1):
        assert (risk(mean, 2) < risk(mean + shift, 2)).all()
        assert (risk(median, 1) < risk(median + shift, 1)).all()
    generator = torch.Generator().manual_seed(0)
    drawn = torch.stack([posterior.sample(generator) for _ in range(4000)])
    torch.testing.assert_close(drawn.mean(dim=2), x.expand(4000, 3))
    deviation = risk(mean, 2).sqrt()
    assert ((drawn[:, :, 0].mean(dim=0) - x - mean).abs() < 4 * deviation / 4000**0.5).all()
    torch.testing.assert_close(drawn[:, :, 0].std(dim=0).double(), deviation, rtol=0.05, atol=0)


def test_lr_values_are_means_of_the_noisy_roll() -> None:
    x = downscaled(2000)
    assert x.shape == (2000,)
    assert x.abs().max() < 9
    assert on_line(x, torch.ones(2000)).mean(dim=1).allclose(x)
