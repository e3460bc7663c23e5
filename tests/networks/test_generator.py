import pytest
import torch
from torch import nn

from mapsr_cli.errors import UsageError
from mapsr_cli.networks import PRESETS, Compact, CompactConfig, PaperGenerator, PaperGeneratorConfig, build
from mapsr_cli.networks.generator import _with_width


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_shape_and_range(scale: int) -> None:
    config = PaperGeneratorConfig(scale=scale, widths=(8, 12, 8), colours=1)
    y = PaperGenerator(config)(torch.rand(2, 1, 5, 7))
    assert y.shape == (2, 1, 5 * scale, 7 * scale)
    assert 0 < y.min() < y.max() < 1


@pytest.mark.parametrize(
    ("name", "convolutions"),
    [("grass", 6), ("faces", 13), ("natural", 9)],
)
def test_depths_are_those_of_appendix_d(name: str, convolutions: int) -> None:
    """Six layers for grass, the sixth being the output; for the others the printed 12 and 8, and the output."""
    network = build(PRESETS[name].generator)
    layers = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(layers) == convolutions
    assert len([m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]) == convolutions - 1
    assert all(layer.kernel_size == (3, 3) for layer in layers)


def test_skips_carry_the_groups_input() -> None:
    """With all hidden convolutions at zero and no normalisation left, only the skips still carry the image."""
    network = PaperGenerator(PaperGeneratorConfig(scale=2, colours=1, widths=(4, 4, 6, 6), skip_every=2)).eval()
    with torch.no_grad():
        for layer in network.body:
            layer.get_parameter("0.weight").zero_()
    x = 0.5 + 0.5 * torch.rand(1, 1, 3, 3)  # x − 0.5 ≥ 0 passes every ReLU
    seen: list[torch.Tensor] = []
    network.tail.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    network(x)
    assert torch.equal(seen[0], _with_width(x - 0.5, 6))
    without = PaperGenerator(PaperGeneratorConfig(scale=2, colours=1, widths=(4, 4, 6, 6), skip_every=5)).eval()
    without.load_state_dict(network.state_dict())
    assert without(x)[0, 0].unique().numel() <= 4  # the tail's offsets, one for each phase


def test_noise_maps() -> None:
    for network in (
        PaperGenerator(PaperGeneratorConfig(scale=2, widths=(8,), noise_dim=2)).eval(),
        Compact(CompactConfig(scale=2, channels=8, blocks=1, noise_dim=2)),
    ):
        assert isinstance(network.tail, nn.Conv2d)
        nn.init.normal_(network.tail.weight)
        x, z = torch.rand(1, 3, 4, 5), torch.randn(2, 2, 4, 5)
        assert not torch.equal(network(x, z[:1]), network(x, z[1:]))
        with pytest.raises(UsageError, match=r"needs noise maps z \[1, 2, 4, 5\]"):
            network(x)
        with pytest.raises(UsageError, match=r"are \[1, 2, 5, 4\]"):
            network(x, z[:1].mT)
    with pytest.raises(UsageError, match="takes no noise"):
        PaperGenerator(PaperGeneratorConfig(widths=(8,)))(x, z[:1])


@pytest.mark.parametrize("widths", [(8,), (8, 8, 12, 12, 8)])
def test_reach_is_how_far_it_looks(widths: tuple[int, ...]) -> None:
    network = PaperGenerator(PaperGeneratorConfig(widths=widths)).double().eval()
    x = torch.rand(1, 3, 21, 21, dtype=torch.float64, requires_grad=True)
    network(x)[..., 40:44, 40:44].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(0).nonzero()
    assert int(seen.min()) == 10 - network.receptive_field
    assert int(seen.max()) == 10 + network.receptive_field
