import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from mapsr_cli.networks import PRESETS, Density, DensityConfig, bits_per_dim, build
from tests.networks.test_pixelcnn import reached

CONFIG = DensityConfig(kernels=((5, 5), (3, 3)), channels=6, components=3, scales=2, features=4)
ROW = replace(PRESETS["swissroll"].density, channels=6, components=4, scales=2, features=3)


def make(config: DensityConfig, seed: int = 0) -> Density:
    """A density in float64 that is not at its initial values."""
    torch.manual_seed(seed)
    model = Density(config).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model


def before(pixel: tuple[int, int, int], side: int) -> Tensor:
    """Where (colour, row, column) in [3, side, side] is conditioned on: reach, and earlier colours of its own pixel."""
    colour, row, col = pixel
    seen = torch.zeros(3, side, side, dtype=torch.bool)
    for down, right in reached(CONFIG.kernels):
        if 0 <= row + down < side and 0 <= col + right < side:
            seen[:, row + down, col + right] = True
    seen[:colour, row, col] = True
    return seen


def test_causal_pixel_by_pixel_and_colour_by_colour() -> None:
    """∂ log p(y_j | y_<j)/∂y_i is exactly 0 for every later i; it is not for j and every earlier i in reach."""
    side = 5
    model = make(CONFIG)
    y = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    log_p = model.conditionals(y)[0]
    for colour in range(3):
        for row in range(side):
            for col in range(side):
                (by,) = torch.autograd.grad(log_p[colour, row, col], y, retain_graph=True)
                expected = before((colour, row, col), side)
                expected[colour, row, col] = True
                assert torch.equal(by[0] != 0, expected), (colour, row, col)


def test_log_prob_is_the_sum_of_conditionals() -> None:
    model, y = make(CONFIG), torch.rand(3, 3, 4, 5, dtype=torch.float64)
    assert model.log_prob(y).shape == (3,)
    assert torch.allclose(model.log_prob(y), model.conditionals(y).flatten(1).sum(1), atol=1e-12)
    assert torch.equal(model(y), model.log_prob(y))
    assert torch.allclose(model.log_prob(y)[1:2], model.log_prob(y[1:2]), atol=1e-10)  # images do not mix


@pytest.mark.parametrize(("colours", "shape"), [(1, (1, 1, 2)), (2, (2, 1, 1))], ids=["two pixels", "two colours"])
def test_two_dimensions_integrate_to_one(colours: int, shape: tuple[int, ...]) -> None:
    model = make(replace(ROW, colours=colours, spread=1.0))
    axis = torch.linspace(-9, 9, 181, dtype=torch.float64)
    with torch.no_grad():
        for likelihood in model.likelihoods:  # standard deviations that the grid resolves
            likelihood.get_parameter("log_precisions").clamp_(max=3)
        p = model.log_prob(torch.cartesian_prod(axis, axis).view(-1, *shape)).exp().view(181, 181)
    assert float(torch.trapezoid(torch.trapezoid(p, axis), axis)) == pytest.approx(1, abs=1e-6)


def test_second_pixel_depends_on_the_first() -> None:
    model = make(ROW)
    y = torch.randn(1, 1, 1, 2, dtype=torch.float64, requires_grad=True)
    first, second = model.conditionals(y).flatten()
    assert torch.autograd.grad(first, y, retain_graph=True)[0].flatten()[1] == 0
    assert torch.autograd.grad(second, y)[0].flatten()[0] != 0


def test_gradient_is_that_of_finite_differences() -> None:
    model = make(CONFIG)
    y = torch.rand(1, 3, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(model.log_prob, (y,), atol=1e-6)


def test_a_change_of_units_changes_the_density_by_its_volume() -> None:
    """p of y = spread·v + centre is p of v, divided by spread for every dimension."""
    unit, other = make(replace(CONFIG, centre=0.0, spread=1.0)), make(CONFIG)
    other.load_state_dict(unit.state_dict())
    v = torch.randn(2, 3, 4, 4, dtype=torch.float64)
    expected = unit.log_prob(v) - 48 * math.log(0.25)
    assert torch.allclose(other.log_prob(0.25 * v + 0.5), expected, atol=1e-9)


def test_float32_under_autocast() -> None:
    model, y = make(CONFIG).float(), torch.rand(2, 3, 8, 8)
    exact = model.log_prob(y)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = model.log_prob(y)
    assert rounded.dtype == torch.float32
    assert (rounded - exact).abs().max() / y[0].numel() < 0.05


def test_bits_per_dim_are_those_of_levels() -> None:
    """Uniform over [0, 1] is log p = 0: each of 255 levels' widths has 1/255 of it."""
    assert float(bits_per_dim(torch.zeros(1), 12)) == pytest.approx(-math.log2(255))
    a_level_wide = 12 * math.log(255)  # uniform over the width of one level
    assert float(bits_per_dim(torch.full((1,), a_level_wide), 12)) == pytest.approx(0, abs=1e-5)


@pytest.mark.slow
def test_it_learns_what_is_there_to_learn() -> None:
    """Two pixels that depend on each other: the fitted density comes within 0.1 nats of their entropy."""
    torch.manual_seed(0)

    def draw(n: int) -> Tensor:
        first = torch.randn(n)
        return torch.stack([first, 0.8 * first + 0.3 * torch.randn(n)], dim=1).view(n, 1, 1, 2)

    model = Density(replace(ROW, spread=1.0, channels=16))
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(300):
        loss = -model.log_prob(draw(256)).mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    entropy = math.log(2 * math.pi * math.e) + math.log(0.3)
    with torch.no_grad():
        cross_entropy = float(-model.log_prob(draw(20_000)).mean())
    assert entropy - 0.02 < cross_entropy < entropy + 0.1


def test_presets_are_the_papers() -> None:
    config = PRESETS["grass"].density
    assert [k for k, _ in config.kernels] == [7, 5, 5, 5]
    assert (config.channels, config.components, config.features) == (64, 32, 32)
    assert len(build(config).likelihoods) == 3
    for odd in ({"spread": 0.0}, {"floor": 0.0}, {"kernels": ((2, 3),)}):
        with pytest.raises(ValueError, match=r"positive|odd"):
            replace(config, **odd)
