from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from mapsr_cli.errors import UsageError
from mapsr_cli.networks import PRESETS, Denoiser, DenoiserConfig, MlpDenoiser, MlpDenoiserConfig, build

TINY = DenoiserConfig(widths=(8, 8))
MLP = MlpDenoiserConfig(hidden=(8, 8))


def shaken(network: Denoiser) -> Denoiser:
    """The network with a last layer that does something."""
    nn.init.normal_(network.tail.weight, std=0.1)
    return network


@pytest.mark.parametrize("conditional", [False, True])
def test_an_untrained_one_changes_nothing(conditional: bool) -> None:
    y = torch.rand(2, 3, 5, 7)
    assert torch.equal(Denoiser(replace(TINY, conditional=conditional))(y, 0.3), y)


def test_layers_are_those_of_appendix_d() -> None:
    network = build(PRESETS["grass"].denoiser)
    assert [m.out_channels for m in network.modules() if isinstance(m, nn.Conv2d)] == [128, 128, 128, 128, 3]
    assert len([m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]) == 4


@pytest.mark.parametrize("network", [Denoiser(TINY), MlpDenoiser(MLP)])
def test_sigma_is_not_read_unless_asked_for(network: nn.Module) -> None:
    y = torch.rand(2, 1 if isinstance(network, MlpDenoiser) else 3, 1, 2)
    assert torch.equal(network.eval()(y, torch.tensor([0.1, 0.2])), network(y))


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (shaken(Denoiser(replace(TINY, conditional=True))), (2, 3, 6, 5)),
        (MlpDenoiser(replace(MLP, conditional=True)), (2, 1, 1, 2)),
    ],
)
def test_sigma_of_each_image(network: nn.Module, shape: tuple[int, ...]) -> None:
    y = torch.rand(shape)
    network.eval()
    each: Tensor = network(y, torch.tensor([0.1, 0.4]))
    assert torch.allclose(each[:1], network(y[:1], 0.1), atol=1e-6)
    assert torch.allclose(each[1:], network(y[1:], torch.tensor(0.4)), atol=1e-6)
    assert torch.allclose(network(y, 0.0), y)  # no noise, no change
    assert not torch.allclose((each[1:] - y[1:]) / 0.4, (network(y[1:], 0.1) - y[1:]) / 0.1, atol=1e-6)
    with pytest.raises(UsageError, match="needs sigma"):
        network(y)


@pytest.mark.parametrize("conditional", [False, True])
def test_it_learns_the_posterior_mean(conditional: bool) -> None:
    """Of a single image μ the best denoiser gives μ back: it moves noisy copies towards it."""
    torch.manual_seed(0)
    network = MlpDenoiser(MlpDenoiserConfig(hidden=(32, 32), conditional=conditional))
    optimiser = torch.optim.Adam(network.parameters(), 1e-2)
    mean = torch.tensor([1.0, -0.5]).view(1, 1, 1, 2)
    for _ in range(200):
        noisy = mean + 0.3 * torch.randn(128, 1, 1, 2)
        loss = (network(noisy, 0.3) - mean).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert loss < 0.1 * 0.3**2
