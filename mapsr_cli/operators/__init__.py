"""A, Aᵀ, A⁺, Π and the box-and-bits round trip. Tensors in, tensors out."""

from mapsr_cli.operators.downsampling import Downsampling, downsampling
from mapsr_cli.operators.kernels import KERNEL_NAMES, Kernel, make_kernel
from mapsr_cli.operators.roundtrip import Consistency, RoundTrip, consistency, round_trip, to_levels

__all__ = [
    "KERNEL_NAMES",
    "Consistency",
    "Downsampling",
    "Kernel",
    "RoundTrip",
    "consistency",
    "downsampling",
    "make_kernel",
    "round_trip",
    "to_levels",
]
