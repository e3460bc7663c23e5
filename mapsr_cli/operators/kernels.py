"""Downsampling kernels as data: the taps of one axis, and where they lie.

Every kernel here is separable, A = A_h ⊗ A_w, and normalised to sum to one. Along one axis, LR pixel i reads HR pixels
`scale·i + first … scale·i + first + len(taps) − 1`, with a symmetric (half-sample reflecting) border.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

from mapsr_cli.errors import UsageError

KERNEL_NAMES = ("bicubic", "gaussian9", "gaussianN", "lanczos3", "box")
SCALES = (2, 3, 4, 8)
DEFAULT_SIGMA = 1.6


@dataclass(frozen=True)
class Kernel:
    """One axis of a separable downsampling kernel."""

    name: str
    """What the user calls it: `bicubic`, `gaussian9`, …"""
    scale: int
    """HR pixels per LR pixel."""
    taps: tuple[float, ...]
    """Weights, summing to one."""
    first: int
    """HR index of the first tap, seen from HR pixel `scale·i`."""
    sigma: float | None = None
    """Standard deviation in HR pixels (Gaussians only)."""

    @property
    def phase(self) -> float:
        """HR position of LR pixel 0's centre: (scale − 1)/2 for a centre-aligned kernel, as image libraries have it."""
        return self.first + (len(self.taps) - 1) / 2

    def describe(self) -> str:
        """For people."""
        sigma = "" if self.sigma is None else f", σ = {self.sigma:g}"
        return f"{self.name} (×{self.scale}{sigma}, {len(self.taps)} taps per axis, phase {self.phase:g})"


def cubic(x: float) -> float:
    """Keys' cubic convolution kernel, a = −0.5 (MATLAB `imresize`'s, Pillow's)."""
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    if x < 2:
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return 0.0


def lanczos3(x: float) -> float:
    """sinc(x) · sinc(x/3) on |x| < 3."""
    if x == 0:
        return 1.0
    if abs(x) >= 3:
        return 0.0
    return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2


def box(x: float) -> float:
    """1 on |x| < 1/2: the mean of a block."""
    return float(abs(x) < 0.5)


_CONTINUOUS: dict[str, tuple[Callable[[float], float], float]] = {
    "bicubic": (cubic, 2.0),
    "lanczos3": (lanczos3, 3.0),
    "box": (box, 0.5),
}


def _normalised(weights: list[float]) -> tuple[float, ...]:
    total = math.fsum(weights)
    return tuple(w / total for w in weights)


def _antialiased(name: str, scale: int) -> Kernel:
    """A continuous kernel stretched by the scale and centred on the LR pixel, as MATLAB's `imresize` does it."""
    profile, radius = _CONTINUOUS[name]
    centre = (scale - 1) / 2
    first, last = math.ceil(centre - radius * scale), math.floor(centre + radius * scale)
    weights = [profile((j - centre) / scale) for j in range(first, last + 1)]
    while weights[0] == 0.0:  # the kernel ends exactly on a pixel: it is not read
        weights, first = weights[1:-1], first + 1
    return Kernel(name, scale, _normalised(weights), first)


def _gaussian(size: int, scale: int, sigma: float) -> Kernel:
    """`size` taps of a Gaussian.

    Where parity forbids the block's centre, the kernel is centred half a pixel before it: an odd one at stride 4 sits
    on HR pixel 4i + 1.
    """
    first = math.floor((scale - 1) / 2 - (size - 1) / 2)
    weights = [math.exp(-0.5 * ((j - (size - 1) / 2) / sigma) ** 2) for j in range(size)]
    return Kernel(f"gaussian{size}", scale, _normalised(weights), first, sigma)


def make_kernel(name: str, scale: int, sigma: float | None = None) -> Kernel:
    """The kernel a user names, at a scale of 2, 3, 4 or 8.

    `gaussianN` has N taps per axis (N ≥ 1) and standard deviation `sigma` in HR pixels (default 1.6).
    Raises UsageError for an unknown name or scale, or a `sigma` that has no meaning there.
    """
    if scale not in SCALES:
        raise UsageError(f"scale {scale} is not one of 2, 3, 4, 8")
    if name in _CONTINUOUS:
        if sigma is not None:
            raise UsageError(f"--sigma has no meaning for the {name} kernel", "it belongs to gaussianN")
        return _antialiased(name, scale)
    if match := re.fullmatch(r"gaussian([1-9]\d{0,2})", name):
        sigma = DEFAULT_SIGMA if sigma is None else sigma
        if not (math.isfinite(sigma) and sigma > 0):
            raise UsageError(f"sigma must be a positive number of HR pixels, not {sigma}")
        return _gaussian(int(match[1]), scale, sigma)
    raise UsageError(f"unknown kernel '{name}'", f"known kernels: {', '.join(KERNEL_NAMES)}")
