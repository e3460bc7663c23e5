"""A, Aᵀ, A⁺, Π and the box-and-bits round trip. Tensors in, tensors out."""

from mapsr_cli.operators.downsampling import Downsampling, downsampling
from mapsr_cli.operators.kernels import KERNEL_NAMES, Kernel, make_kernel
from mapsr_cli.operators.levels import Levels, to_levels
from mapsr_cli.operators.roundtrip import Consistency, RoundTrip, consistency, mend, round_trip
from mapsr_cli.operators.softening import soften
from mapsr_cli.operators.strips import Strips

__all__ = [
    "KERNEL_NAMES",
    "Consistency",
    "Downsampling",
    "Kernel",
    "Levels",
    "RoundTrip",
    "Strips",
    "consistency",
    "downsampling",
    "make_kernel",
    "mend",
    "round_trip",
    "soften",
    "to_levels",
]
