import pytest
import torch

from mapsr_cli.errors import UsageError
from mapsr_cli.networks import (
    PRESETS,
    MlpDenoiserConfig,
    MlpDiscriminator,
    MlpDiscriminatorConfig,
    MlpGenerator,
    MlpGeneratorConfig,
    build,
)
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
    assert network.receptive_field == 0
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
    assert network.receptive_field == 1


@pytest.mark.parametrize(
    "config",
    [
        MlpGeneratorConfig(colours=4, noise_dim=8, hidden=(8, 8), groups=4),
        MlpDiscriminatorConfig(colours=4, hidden=(8, 8), groups=4),
        MlpDenoiserConfig(colours=4, hidden=(8, 8), groups=4, conditional=True),
        MlpDenoiserConfig(colours=4, hidden=(8, 8), groups=4),
    ],
)
def test_groups_know_nothing_of_each_other(
    config: MlpGeneratorConfig | MlpDiscriminatorConfig | MlpDenoiserConfig,
) -> None:
    """Each output's gradient reaches its own group's channels and weights only."""
    torch.manual_seed(0)
    network = build(config)
    width = 1 if isinstance(config, MlpGeneratorConfig) else 2
    y = torch.randn(5, 4, 1, width, requires_grad=True)
    more = {}
    if isinstance(config, MlpGeneratorConfig):
        more["z"] = torch.randn(5, 8, 1, 1)
    if isinstance(config, MlpDenoiserConfig):
        more["sigma"] = torch.full((5,), 0.3)
    out = network(y, **more).reshape(5, 4, -1)
    weights = [p for p in network.parameters() if p.requires_grad]
    y_gradient, *gradients = torch.autograd.grad(out[:, 2].sum(), [y, *weights])
    others = [0, 1, 3]
    assert y_gradient[:, 2].abs().max() > 0
    assert y_gradient[:, others].abs().max() == 0
    assert all(g[2].abs().max() > 0 and g[others].abs().max() == 0 for g in gradients)


def test_groups_share_evenly_or_not_at_all() -> None:
    with pytest.raises(UsageError, match="cannot be split"):
        MlpDiscriminator(MlpDiscriminatorConfig(colours=3, hidden=(8,), groups=2))
