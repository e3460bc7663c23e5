"""What criteria and terms share that show images to a network: windows of them, and weights that stay as they are."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.func import functional_call

from mapsr_cli.errors import UsageError


def held(network: nn.Module) -> Callable[[Tensor], Tensor]:
    """Make a network a function through which gradients pass and which changes neither its weights nor its buffers."""
    frozen = {name: weight.detach() for name, weight in network.named_parameters()}
    frozen |= {name: buffer.clone() for name, buffer in network.named_buffers()}

    def function(y: Tensor) -> Tensor:
        value: Tensor = functional_call(network, frozen, (y,))
        return value

    return function


def shifted(images: Tensor, most: int) -> Tensor:
    """Crop [N, C, H, W] to [N, C, H − most, W − most] at a random position. Raises UsageError if nothing is left.

    The position is the same for the whole batch. Where strides of the network that looks meet the generator's pixel
    shuffle always in the same phase, texture becomes a grid.
    """
    if not most:
        return images
    height, width = images.shape[2] - most, images.shape[3] - most
    if min(height, width) < 1:
        raise UsageError(f"a shift of {most} leaves nothing of {images.shape[2]}×{images.shape[3]} pixels")
    top, left = torch.randint(most + 1, (2,)).tolist()
    return images[:, :, top : top + height, left : left + width]
