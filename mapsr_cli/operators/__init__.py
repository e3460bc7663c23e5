"""A, Aᵀ, A⁺, Π, the paper's convolution in place of A⁺, and the box-and-bits round trip. Tensors in, tensors out."""

from mapsr_cli.operators.base import Downsampling
from mapsr_cli.operators.cell_consistency import CellConsistency, cell_consistency, satisfied
from mapsr_cli.operators.consistency import Agreement, Consistency, consistency
from mapsr_cli.operators.conv_pinv import ConvPinv, random_kernels
from mapsr_cli.operators.downsampling import downsampling
from mapsr_cli.operators.each_own import EachOwn
from mapsr_cli.operators.evidence import BAND_ROWS, TOLD, Evidence, LevelCube, Point
from mapsr_cli.operators.fit_pinv import FitConfig, fit_pinv, solve_pinv
from mapsr_cli.operators.fixed_size import fixed_downsampling
from mapsr_cli.operators.jpeg_cells import JpegCells, jpeg_cells, rounding_margin
from mapsr_cli.operators.jpeg_tables import JpegTables
from mapsr_cli.operators.kernels import KERNEL_NAMES, SCALES, Kernel, SeparableKernel, make_kernel
from mapsr_cli.operators.levels import Levels, Place, dtype_for, to_levels
from mapsr_cli.operators.noise_cube import NOISE_REACH, NoiseCube
from mapsr_cli.operators.noise_level import noise_level
from mapsr_cli.operators.pinv_report import PinvReport, condition_number, examine
from mapsr_cli.operators.psf import Psf, make_psf, psf_of_taps
from mapsr_cli.operators.resized_axis import make_profile
from mapsr_cli.operators.resizing import AnyKernel, RatioKernel, ResizingKernel, kernel_at, kernel_between
from mapsr_cli.operators.roundtrip import Mended, RoundTrip, mend, round_trip
from mapsr_cli.operators.softening import check_strength, soften
from mapsr_cli.operators.strips import Fetch, Strips, make_strips

__all__ = [
    "BAND_ROWS",
    "KERNEL_NAMES",
    "NOISE_REACH",
    "SCALES",
    "TOLD",
    "Agreement",
    "AnyKernel",
    "CellConsistency",
    "Consistency",
    "ConvPinv",
    "Downsampling",
    "EachOwn",
    "Evidence",
    "Fetch",
    "FitConfig",
    "JpegCells",
    "JpegTables",
    "Kernel",
    "LevelCube",
    "Levels",
    "Mended",
    "NoiseCube",
    "PinvReport",
    "Place",
    "Point",
    "Psf",
    "RatioKernel",
    "ResizingKernel",
    "RoundTrip",
    "SeparableKernel",
    "Strips",
    "cell_consistency",
    "check_strength",
    "condition_number",
    "consistency",
    "downsampling",
    "dtype_for",
    "examine",
    "fit_pinv",
    "fixed_downsampling",
    "jpeg_cells",
    "kernel_at",
    "kernel_between",
    "make_kernel",
    "make_profile",
    "make_psf",
    "make_strips",
    "mend",
    "noise_level",
    "psf_of_taps",
    "random_kernels",
    "round_trip",
    "rounding_margin",
    "satisfied",
    "soften",
    "solve_pinv",
    "to_levels",
]
