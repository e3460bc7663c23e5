import pytest
import torch

from mapsr_cli.errors import UsageError
from mapsr_cli.networks import PRESETS, MlpGenerator, MlpGeneratorConfig
from mapsr_cli.operators import downsampling, make_kernel


def test_swiss_rolls_a_is_the_mean_of_the_two_pixels() -> None:
    preset = PRESETS["swissroll"]
    op = downsampling(make_kernel(preset.kernel, preset.scale, preset.sigma), preset.patch, torch.float64)
    y = torch.randn(100, 1, 1, 2, dtype=torch.float64)
    x = op.down(y)
    assert x.shape == (100, 1, 1, 1)
    assert torch.allclose(x, y.mean(dim=3, keepdim=True), atol=1e-15)
    moved = op.project(torch.zeros_like(y), x)
    assert torch.allclose(moved[..., 0], 2 * x[..., 0] - moved[..., 1], atol=1e-14)  # y1 = 2x − y2, Section 5.1


def test_generator_takes_one_number_to_two() -> None:
    network = MlpGenerator(MlpGeneratorConfig(hidden=(8, 8)))
    x = torch.randn(5, 1, 1, 1)
    assert network(x).shape == (5, 1, 1, 2)
    assert network.reach == 0
    assert torch.allclose(network(x)[2:3], network(x[2:3]), atol=1e-6)


def test_noise() -> None:
    network = MlpGenerator(MlpGeneratorConfig(hidden=(8, 8), noise_dim=3))
    x = torch.randn(5, 1, 1, 1)
    assert not torch.equal(network(x, torch.randn(5, 3, 1, 1)), network(x, torch.randn(5, 3, 1, 1)))
    with pytest.raises(UsageError, match="needs noise"):
        network(x)


def test_images_of_more_pixels() -> None:
    config = MlpGeneratorConfig(scale=2, colours=3, size=(3, 4), hidden=(8,))
    assert config.lr_size == (2, 2)
    network = MlpGenerator(config)
    assert network(torch.rand(2, 3, 2, 2)).shape == (2, 3, 3, 4)
    assert network.reach == 1
