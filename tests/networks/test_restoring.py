from dataclasses import replace

import pytest
import torch
from torch import nn

from mapsr_cli.errors import UsageError
from mapsr_cli.networks import Restoring, RestoringConfig
from mapsr_cli.networks.restoring import TAPS
from mapsr_cli.operators import downsampling, make_kernel, solve_pinv

TINY = RestoringConfig(channels=8, blocks=1, restorer_channels=8, restorer_blocks=1, told=2)


def trained(config: RestoringConfig = TINY) -> Restoring:
    """As if: nothing is at zero any more."""
    torch.manual_seed(0)
    network = Restoring(config).double()
    for parameter in network.parameters():
        if parameter.abs().max() == 0:
            nn.init.normal_(parameter, std=0.3)
    with torch.no_grad():
        network.restorer.head.weight[:, 3:].normal_()
    return network


def test_untrained_network_adds_nothing() -> None:
    assert torch.equal(Restoring(TINY)(torch.rand(2, 3, 7, 5), told=torch.ones(1, 2)), torch.zeros(2, 3, 28, 20))


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_a_restored_image_is_what_a_makes_of_the_estimate(scale: int) -> None:
    """Without detail of the trunk, x + A f is the restored x + r, far from the border."""
    network, kernel = Restoring(replace(TINY, scale=scale)).double(), make_kernel("bicubic", scale)
    network.start_lift(solve_pinv(kernel, TAPS).kernels)
    r = torch.rand(1, 3, 24, 24, dtype=torch.float64)
    network.restorer.forward = lambda x, z=None, told=None: r  # type: ignore[method-assign]
    f = network(torch.rand(1, 3, 24, 24, dtype=torch.float64))
    seen = downsampling(kernel, (24 * scale, 24 * scale), torch.float64).down(f)
    inner = (..., slice(4, -4), slice(4, -4))
    torch.testing.assert_close(seen[inner], r[inner], rtol=0, atol=1e-4)  # 7 taps do not suffice for AB = I at scale 2


def test_the_trunk_sees_the_restored_image() -> None:
    network, x = trained(), torch.rand(1, 3, 6, 7, dtype=torch.float64)
    told = torch.tensor([[0.5, 1.0]], dtype=torch.float64)
    r = network.restorer(x, told=told)
    assert r.abs().max() > 1e-3
    nn.init.zeros_(network.lift.weight)
    torch.testing.assert_close(network(x, told=told), network.trunk(x + r))


def test_what_it_is_told_changes_the_answer() -> None:
    network, x = trained(), torch.rand(1, 3, 6, 7, dtype=torch.float64)
    zeros = torch.zeros(1, 2, dtype=torch.float64)
    torch.testing.assert_close(network(x), network(x, told=zeros))  # zeros are what a lossless original is told as
    assert (network(x, told=zeros + 1) - network(x)).abs().max() > 1e-3
    with pytest.raises(UsageError, match="told 2 numbers"):
        network(x, told=torch.zeros(1, 3))


def test_reach_is_how_far_it_looks() -> None:
    network = trained()
    x = torch.rand(1, 3, 25, 25, dtype=torch.float64, requires_grad=True)
    network(x)[..., 48:52, 48:52].sum().backward()
    assert x.grad is not None
    seen = x.grad[0].abs().sum(0).nonzero()
    assert int(seen.min()) == 12 - network.receptive_field
    assert int(seen.max()) == 12 + network.receptive_field
