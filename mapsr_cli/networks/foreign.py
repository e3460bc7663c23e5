"""Other authors' networks as f, with what tiles, memory and precision need to know of them."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from mapsr_cli.networks.receptive_field import MOST, Probe

LEAST_ROWS = 8
"""LR rows of the strips that a receptive field is measured on, at least."""


class Foreign(nn.Module):
    """f by a class that is not mapsr's: x [N, colours, h, w] in [0, 1] → [N, colours, s·h, s·w]."""

    scale: int
    """s."""
    colours: int = 3
    """Image channels."""
    detail: bool = False
    """Whether f, trained under Π, is detail to add to A⁺x; see `Compact.detail`."""
    period: int = 1
    """LR pixels by whose multiples f is equivariant to translation: more than 1 where it downscales inside."""
    least: int = 0
    """LR pixels a side that f takes, at least."""
    halves: frozenset[torch.dtype] = frozenset({torch.float16, torch.bfloat16})
    """Half-precision types that it computes in."""

    @cached_property
    def radius(self) -> int | None:
        """Radius of the receptive field in LR pixels, measured; None where no halo makes tiles equal to the whole.

        Leaves the weights in the memory format that the answer asks for (`memory_format`).
        """
        if (stated := self.stated_radius()) is not None:
            return stated
        height = -(-max(self.least, LEAST_ROWS) // self.period) * self.period
        try:
            self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
            with self.in_use():
                radius = Probe(self._measured, self.scale, height, self.period, self.colours).radius()
        except Exception:  # not every network takes what is no number, or weights that lie so
            radius = None
        if radius is None:
            self.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        return radius

    @property
    def receptive_field(self) -> int:
        """Radius of the receptive field as measured, else MOST."""
        return MOST if self.radius is None else self.radius

    @property
    def memory_format(self) -> torch.memory_format:
        """Channels last where the same image in tiles shall be the same to the bit; attention may not take it."""
        return torch.contiguous_format if self.radius is None else torch.channels_last

    def take_properties(self, descriptor: Any) -> None:
        """Take the sizes and types that it computes in from its spandrel `ModelDescriptor`."""
        sizes = descriptor.size_requirements
        self.least, self.period = sizes.minimum, sizes.multiple_of
        halves = {torch.float16: descriptor.supports_half, torch.bfloat16: descriptor.supports_bfloat16}
        self.halves = frozenset(dtype for dtype, supported in halves.items() if supported)

    def stated_radius(self) -> int | None:
        """Return the receptive field's radius as the author states it; None where it is to be measured."""
        return None

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Put it in eval mode, without gradients, for as long as it is tried."""
        training = [module for module in self.modules() if module.training]
        self.eval()
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]):  # the seed is the user's
                yield
        finally:
            for module in training:
                module.training = True

    def _measured(self, x: Tensor) -> Tensor:
        place = next(self.parameters(), x)
        y: Tensor = self(x.to(place.device, place.dtype))
        return y


def memory_format_of(network: nn.Module) -> torch.memory_format:
    """Return how a network's tensors lie in memory when it runs: channels last, but where it does not take it."""
    return network.memory_format if isinstance(network, Foreign) else torch.channels_last


def lay_out(network: nn.Module) -> None:
    """Put weights into channels-last order, which convolutions are fastest in, but where a network does not take it."""
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for module in network.modules():
        if isinstance(module, Foreign):
            module.to(memory_format=module.memory_format)  # type: ignore[call-overload]
