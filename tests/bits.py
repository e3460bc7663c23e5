"""What two ways of computing the same may differ by, where libraries choose the order of sums by shape."""

from pathlib import Path

import torch
from torch import Tensor


def _intel() -> bool:
    cpuinfo = Path("/proc/cpuinfo")
    return cpuinfo.exists() and "GenuineIntel" in cpuinfo.read_text()


EXACT = torch.backends.cpu.get_cpu_capability() == "AVX512" and _intel()
"""Whether sums are known to come in one order here, whatever the shape: so they do on Cascade Lake; on two kinds of AMD
EPYC, with AVX-512 and without, they do not."""


def same_sums(a: Tensor, b: Tensor) -> bool:
    """Equal; in float64 to the last bits where sums come in an order of their own."""
    if EXACT or a.dtype == torch.float32:
        return torch.equal(a, b)
    return a.shape == b.shape and (a - b).abs().max().item() <= 1e-12


def same_levels(a: Tensor, b: Tensor) -> bool:
    """Equal; elsewhere all but one sample of a hundred, within a level: rounding makes one of a network's last bit."""
    if EXACT:
        return torch.equal(a.int(), b.int())
    apart = (a.int() - b.int()).abs()
    return a.shape == b.shape and apart.max().item() <= 1 and (apart > 0).float().mean().item() < 0.01
