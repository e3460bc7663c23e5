"""What criteria and terms share that show images to a network: views of them, and weights that stay as they are."""

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from mapsr_cli.errors import UsageError

Answer = TypeVar("Answer")


def held(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Make a network a function through which gradients pass and which changes neither its weights nor its buffers."""
    frozen = {name: weight.detach() for name, weight in network.named_parameters()}

    def function(y: Tensor) -> Tensor:
        buffers = {name: buffer.clone() for name, buffer in network.named_buffers()}
        value: Tensor = functional_call(network, frozen | buffers, (y,))
        return value

    return function


def apart(network: Callable[[Tensor], Answer], both: Tensor, images: int) -> tuple[Answer, Answer]:
    """Show a network the first `images` of a batch, which need no gradient, and then the rest, without each other.

    That takes two thirds of the time. Batch normalisation would take its statistics from each kind alone.
    """
    with torch.no_grad():
        known = network(both[:images])
    return known, network(both[images:])


def shifted(images: Tensor, most: int) -> Tensor:
    """Move [N, C, H, W] to one of most + 1 places along each axis, at random, the middle one being where it was.

    The place is the same for the whole batch. What leaves at one edge is lost, and the other edge is mirrored. Where
    strides of the network that looks meet the generator's pixel shuffle always in the same phase, texture becomes a
    grid. Edges are seen in most places: were the images cropped instead, the outermost pixels would be seen in one of
    most + 1, and anything could stand there. Raises UsageError for images that are too small to mirror.
    """
    if not most:
        return images
    reach, (height, width) = (most + 1) // 2, images.shape[2:]
    if min(height, width) <= reach:
        raise UsageError(f"a shift of {most} cannot be mirrored in {height}×{width} pixels")
    top, left = torch.randint(most + 1, (2,)).tolist()
    wider = functional.pad(images, (reach,) * 4, mode="reflect")
    return wider[:, :, top : top + height, left : left + width]
