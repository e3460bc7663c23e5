import pytest
import torch

from mapsr_cli.networks import Compact, CompactConfig

TINY = CompactConfig(scale=4, channels=8, blocks=2)


def test_untrained_network_adds_nothing() -> None:
    assert torch.equal(Compact(TINY)(torch.rand(2, 3, 7, 5)), torch.zeros(2, 3, 28, 20))


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_shape(scale: int) -> None:
    assert Compact(CompactConfig(scale, 8, 1))(torch.rand(1, 3, 6, 9)).shape == (1, 3, 6 * scale, 9 * scale)


def test_parameters_of_the_zoos_network() -> None:
    network = Compact(CompactConfig(scale=4, channels=64, blocks=14))
    assert sum(p.numel() for p in network.parameters()) == 1_063_472


def test_reach_is_how_far_it_looks() -> None:
    network = Compact(TINY)
    torch.nn.init.normal_(network.tail.weight)
    x = torch.rand(1, 3, 21, 21, requires_grad=True)
    network(x)[..., 40:44, 40:44].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(0).nonzero()
    assert int(seen.min()) == 10 - network.receptive_field
    assert int(seen.max()) == 10 + network.receptive_field
