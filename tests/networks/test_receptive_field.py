"""Measured on networks whose receptive field is known."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.networks.receptive_field import MOST, Probe


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("blocks", [1, 5])
def test_what_a_network_says_of_itself(scale: int, blocks: int) -> None:
    torch.manual_seed(0)
    network = Compact(CompactConfig(scale=scale, channels=4, blocks=blocks)).requires_grad_(False)
    nn.init.normal_(network.tail.weight, std=0.1)
    assert Probe(network, scale, 8, 1).radius() == network.receptive_field


def blur(x: Tensor, height: int, width: int) -> Tensor:
    return functional.avg_pool2d(x, (2 * height + 1, 2 * width + 1), 1, (height, width))


def halved(x: Tensor) -> Tensor:
    return functional.interpolate(blur(functional.avg_pool2d(x, 2), 1, 1), scale_factor=2)


def in_windows(x: Tensor) -> Tensor:
    """Each pixel sees its window of 4 × 4."""
    return functional.interpolate(functional.avg_pool2d(x, 4, ceil_mode=True), scale_factor=4)[
        ..., : x.shape[-2], : x.shape[-1]
    ]


KNOWN: dict[str, tuple[Callable[[Tensor], Tensor], int, int | None]] = {
    "each pixel for itself": (lambda x: 1 - x, 1, 0),
    "farther across": (lambda x: blur(x, 1, 3), 1, 3),
    "farther down": (lambda x: blur(x, 5, 1), 1, 5),
    "as far as is looked": (lambda x: blur(x, 0, MOST), 1, MOST),
    "farther than is looked": (lambda x: blur(x, 0, MOST + 1), 1, None),
    "half size inside": (halved, 2, 3),
    "half size inside, not known": (halved, 1, None),
    "windows": (in_windows, 1, None),
    "windows, known": (in_windows, 4, 3),
    "a mean of everything": (lambda x: x - x.mean(), 1, None),
    "nothing of the image": (lambda x: torch.zeros_like(x), 1, None),
}


@pytest.mark.parametrize("name", KNOWN)
def test_networks_of_known_reach(name: str) -> None:
    network, period, radius = KNOWN[name]
    assert Probe(network, 1, 8, period).radius() == radius


def test_a_place_that_no_dependence_shows() -> None:
    """A ramp over the image: no pixel touches another, and yet a tile differs from the whole."""
    assert Probe(lambda x: x + torch.arange(x.shape[-1]) / 100, 1, 8, 1).radius() is None
