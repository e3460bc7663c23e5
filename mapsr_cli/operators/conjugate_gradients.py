"""Preconditioned conjugate gradients on many images at once."""

from collections.abc import Callable

import torch
from torch import Tensor

CHECK_EVERY = 4
"""Iterations between checks of the residual: on a GPU, each check waits for the device."""


def conjugate_gradients(
    gram: Callable[[Tensor], Tensor],
    precondition: Callable[[Tensor], Tensor],
    b: Tensor,
    tolerance: float,
    limit: int,
) -> Tensor:
    """Solve G z = b for images b [..., h, w], G symmetric positive definite on each.

    Stops once every image's residual is below `tolerance` of its b, or after `limit` iterations.
    """
    z, residual = torch.zeros_like(b), b
    enough = tolerance**2 * _inner(b, b)
    preconditioned = precondition(b)
    direction, descent = preconditioned, _inner(residual, preconditioned)
    for iteration in range(limit):
        image = gram(direction)
        step = _ratio(descent, _inner(direction, image))
        z, residual = z + step * direction, residual - step * image
        if iteration % CHECK_EVERY == CHECK_EVERY - 1 and bool((_inner(residual, residual) <= enough).all()):
            break
        preconditioned = precondition(residual)
        before, descent = descent, _inner(residual, preconditioned)
        direction = preconditioned + _ratio(descent, before) * direction
    return z


def _inner(a: Tensor, b: Tensor) -> Tensor:
    return (a * b).sum((-2, -1), keepdim=True)


def _ratio(a: Tensor, b: Tensor) -> Tensor:
    """Divide a by b; return 0 where an image is already solved."""
    return torch.where(b > 0, a / torch.where(b > 0, b, 1.0), 0.0)
