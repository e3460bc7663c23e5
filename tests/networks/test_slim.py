from dataclasses import replace

import pytest
import torch
from torch import nn

from mapsr_cli.errors import UsageError
from mapsr_cli.networks import Compact, CompactConfig, Slim, SlimConfig
from mapsr_cli.networks.expanded import expand

TINY = SlimConfig(scale=2, channels=8, blocks=2, depth=2, wide_channels=4, dilations=(2, 3))


def trained(config: SlimConfig) -> Slim:
    """As if: nothing is at zero any more."""
    torch.manual_seed(0)
    network = Slim(config).double()
    for parameter in network.parameters():
        if parameter.abs().max() == 0:
            nn.init.normal_(parameter, std=0.3)
    return network


def test_untrained_network_adds_nothing() -> None:
    assert torch.equal(Slim(TINY)(torch.rand(2, 3, 7, 5)), torch.zeros(2, 3, 14, 10))


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_shape(scale: int) -> None:
    assert Slim(replace(TINY, scale=scale))(torch.rand(1, 3, 6, 9)).shape == (1, 3, 6 * scale, 9 * scale)


def test_what_it_is_told_changes_the_answer_everywhere_alike() -> None:
    network = trained(replace(TINY, told=2))
    with torch.no_grad():
        network.head.weight[:, 3:].normal_()
    x, told = torch.rand(2, 3, 9, 8, dtype=torch.float64), torch.tensor([[0.0, 0.0], [0.5, 1.0]], dtype=torch.float64)
    both = network(x, told=told)
    torch.testing.assert_close(both[:1], network(x[:1]))  # zeros are what a network is told of a lossless original
    assert (both[1] - network(x)[1]).abs().max() > 1e-3
    torch.testing.assert_close(network(x, told=told[1:])[1], both[1])


def test_an_untrained_network_does_not_listen() -> None:
    network = Slim(replace(TINY, told=2))
    nn.init.normal_(network.tail.weight, std=0.3)
    x = torch.rand(1, 3, 6, 7)
    assert torch.equal(network(x, told=torch.ones(1, 2)), network(x))


@pytest.mark.parametrize(("count", "told"), [(0, torch.zeros(1, 2)), (2, torch.zeros(1, 3)), (2, torch.zeros(3, 2))])
def test_refuses_what_it_is_not_told(count: int, told: torch.Tensor) -> None:
    with pytest.raises(UsageError, match=f"told {count} numbers"):
        Slim(replace(TINY, told=count))(torch.rand(2, 3, 6, 7), told=told)


@pytest.mark.parametrize("config", [TINY, replace(TINY, wide_every=3), replace(TINY, wide_every=1, gated=True)])
def test_reach_is_how_far_it_looks(config: SlimConfig) -> None:
    network = trained(config)
    x = torch.rand(1, 3, 55, 55, dtype=torch.float64, requires_grad=True)
    network(x)[..., 54:56, 54:56].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(0).nonzero()
    assert int(seen.min()) == 27 - network.receptive_field
    assert int(seen.max()) == 27 + network.receptive_field


def test_the_zoos_network_looks_forty_pixels_far() -> None:
    assert Slim(SlimConfig()).receptive_field >= 40


@pytest.mark.parametrize("gated", [False, True])
def test_one_convolution_for_each_that_was_expanded(gated: bool) -> None:
    network, x = trained(replace(TINY, expanded=True, gated=gated)), torch.rand(1, 3, 9, 8, dtype=torch.float64)
    plain = network.for_use()
    torch.testing.assert_close(plain(x), network(x), rtol=0, atol=1e-12)
    assert plain.config == replace(network.config, expanded=False)
    fresh = Slim(plain.config).double()
    fresh.load_state_dict(plain.state_dict())
    assert torch.equal(fresh(x), plain(x))
    assert network.config.expanded


def test_an_expanded_kernel_starts_with_the_same_variance() -> None:
    torch.manual_seed(0)
    conv = nn.Conv2d(48, 48, 3)
    before = conv.weight.std()
    expand(conv)
    torch.testing.assert_close(conv.weight.std(), before, rtol=0.05, atol=0)


@pytest.mark.parametrize("config", [TINY, replace(TINY, gated=True), replace(TINY, slope=0.0)])
def test_in_use_as_in_training(config: SlimConfig) -> None:
    """Where convolutions are fused with what follows them."""
    network = trained(config).float().requires_grad_(False)
    x = torch.rand(1, 3, 12, 15).contiguous(memory_format=torch.channels_last)
    expected = network(x)
    with torch.inference_mode():
        assert (network(x) - expected).abs().max() <= 1e-5 * expected.abs().max()


def test_takes_over_the_blocks_of_compact() -> None:
    torch.manual_seed(0)
    compact = Compact(CompactConfig(scale=2, channels=8, blocks=2))
    nn.init.normal_(compact.tail.weight, std=0.3)
    slim = Slim(replace(TINY, slope=0.0, wide_every=3))
    slim.load_state_dict(dict(zip(slim.state_dict(), compact.state_dict().values(), strict=True)))
    x = torch.rand(1, 3, 6, 7)
    torch.testing.assert_close(slim(x), compact(x))
