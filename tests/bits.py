"""What two ways of computing the same may differ by, where libraries choose the order of sums by shape."""

import torch
from torch import Tensor


def same_sums(a: Tensor, b: Tensor) -> bool:
    """Equal in float32; in float64 to the last bits, as without AVX-512 sums are in an order of their own."""
    if a.dtype == torch.float32:
        return torch.equal(a, b)
    return a.shape == b.shape and (a - b).abs().max().item() <= 1e-12


def same_levels(a: Tensor, b: Tensor) -> bool:
    """Within a level, and equal in all but one sample of a hundred: rounding makes a level of a network's last bit."""
    apart = (a.int() - b.int()).abs()
    return a.shape == b.shape and apart.max().item() <= 1 and (apart > 0).float().mean().item() < 0.01
