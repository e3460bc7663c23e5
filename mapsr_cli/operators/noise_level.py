"""How much noise an image has: a robust estimate from its finest band."""

import torch
from torch import Tensor

BLOCK = 16
"""Pixels a side of the blocks of which the smoothest count."""
SHARE = 0.1
"""Which quantile of the blocks: what has no texture, without the luckiest of them."""
MAD = 0.6745
"""Median of |z| for a standard normal z."""


def noise_level(x: Tensor, peak: int) -> float:
    """Estimate σ of white noise in an image [C, h, w] of levels 0 … peak, in levels of 255.

    The finest band is the second difference along both axes, 1/6 [1 −2 1]ᵀ[1 −2 1], in which smooth areas and straight
    edges vanish (Immerkær, 1996, doi 10.1006/cviu.1996.0060) and white noise keeps its σ. Of each block of 16 × 16 that
    touches neither 0 nor `peak`, median / 0.6745 is robust to what else there is (Donoho, 1995); the estimate is the
    10 % quantile of blocks, the mean of channels. Texture everywhere counts as noise; an image of less than 3
    pixels a side has none.
    """
    if min(x.shape[-2:]) < 3:
        return 0.0
    levels = x.float() * (255 / peak)
    band = _second_difference(_second_difference(levels, -1), -2)
    inside = levels[:, 1:-1, 1:-1]
    size = min(BLOCK, *band.shape[-2:])
    blocks, values = _blocks(band, size), _blocks(inside, size)
    sigmas = (blocks.abs().median(-1).values / MAD).mean(0)
    unclipped = ((values > 0) & (values < 255)).all(-1).all(0)
    chosen = sigmas[unclipped] if unclipped.any() else sigmas
    return torch.quantile(chosen, SHARE).item()


def _second_difference(v: Tensor, dim: int) -> Tensor:
    n = v.shape[dim] - 2
    return (v.narrow(dim, 0, n) - 2 * v.narrow(dim, 1, n) + v.narrow(dim, 2, n)) / 6**0.5


def _blocks(v: Tensor, size: int) -> Tensor:
    """Cut [C, h, w] into whole blocks: [C, blocks, pixels]."""
    return v.unfold(1, size, size).unfold(2, size, size).flatten(1, 2).flatten(2)
