"""Downsampling kernels as data: their weights, and where they lie.

Weights sum to one. LR pixel i reads HR pixels `scale·i + first … scale·i + first + len(taps) − 1` along an axis, with a
symmetric (half-sample reflecting) border. What has a name here is separable, A = A_h ⊗ A_w; a measured point-spread
function (`psf`) need not be.
"""

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mapsr_cli.errors import UsageError, did_you_mean

KERNEL_NAMES = ("bicubic", "gaussian9", "gaussianN", "lanczos3", "box")
SCALES = (2, 3, 4, 8)
DEFAULT_SIGMA = 1.6


@dataclass(frozen=True)
class Kernel(ABC):
    """What A weighs HR pixels with, and where. Hashable: operators are cached by it."""

    name: str
    """What the user calls it: `bicubic`, `gaussian9`, `file:psf.npy`, …"""
    scale: int
    """HR pixels per LR pixel."""
    taps: tuple[float, ...] | tuple[tuple[float, ...], ...]
    """Weights, summing to one: of one axis if separable, else of the plane, row by row."""
    first: int | tuple[int, int]
    """HR index of the first tap relative to HR pixel `scale·i`; (row, column) in the plane."""
    sigma: float | None = None
    """Standard deviation in HR pixels (Gaussians only)."""

    @property
    @abstractmethod
    def phase(self) -> float | tuple[float, float]:
        """HR position of LR pixel 0's centre: (scale − 1)/2 for a centre-aligned kernel, as in image libraries."""

    @abstractmethod
    def plane(self) -> tuple[NDArray[np.float64], tuple[int, int]]:
        """Return weights [P, Q] of the plane, and (row, column) of the first, from HR pixel (`scale·i`, `scale·j`)."""

    @abstractmethod
    def describe(self) -> str:
        """Describe the kernel in a few words, for messages and reports."""

    def between(self, hr_size: tuple[int, int]) -> "Kernel":
        """Return itself, which takes any HR size."""
        return self

    @property
    def factor(self) -> str:
        """How much larger the HR image is, for people: `×4`."""
        return f"×{self.scale}"

    def hr_size(self, lr_size: tuple[int, int]) -> tuple[int, int]:
        """Return the size (H, W) of the HR image that is made of an LR image of size (h, w)."""
        return self.scale * lr_size[0], self.scale * lr_size[1]

    def lr_size(self, hr_size: tuple[int, int]) -> tuple[int, int]:
        """Return the size (h, w) of A y for an HR image y of any size (H, W): ⌈H/s⌉, ⌈W/s⌉, as MATLAB's `imresize`."""
        return -(-hr_size[0] // self.scale), -(-hr_size[1] // self.scale)

    def whole_size(self, hr_size: tuple[int, int]) -> tuple[int, int]:
        """Return the largest HR size within (H, W) that some LR size has: what test images are cropped to."""
        return self.hr_size((hr_size[0] // self.scale, hr_size[1] // self.scale))

    def hr_pixels(self, count: int) -> int:
        """Return how many HR pixels an image of `count` LR pixels becomes."""
        return self.scale**2 * count

    def hr_range(self, part: slice, axis: int = 0) -> slice:
        """Return the HR rows (axis 0) or columns (axis 1) of a range of LR rows or columns."""
        return slice(self.scale * part.start, self.scale * part.stop)

    def hr_window(self, part: slice, axis: int) -> slice:
        """Return the HR rows or columns of a window of LR ones."""
        return self.hr_range(part, axis)

    @property
    def overhang(self) -> int:
        """HR pixels by which the weights extend beyond their LR pixel's own block, on the side where it is most."""
        weights, first = self.plane()
        most: int = max(max(-at, at + size - self.scale, 0) for at, size in zip(first, weights.shape, strict=True))
        return most

    @property
    def symmetric(self) -> bool:
        """Whether A of a turned or mirrored image is the turned or mirrored A of the image."""
        weights, first = self.plane()
        centred = all(2 * at + n == self.scale for at, n in zip(first, weights.shape, strict=True))
        return centred and all(np.allclose(weights, w) for w in (weights[::-1], weights[:, ::-1], weights.T))

    @property
    def noise_gain(self) -> float:
        """Standard deviation of A of white noise of standard deviation 1."""
        return float(np.linalg.norm(self.plane()[0]))

    @property
    def border_width(self) -> int:
        """LR pixels at each end of an axis whose rows or columns of A the border affects."""
        return self.overhang // self.scale + 2


@dataclass(frozen=True)
class SeparableKernel(Kernel):
    """The same taps along both axes."""

    taps: tuple[float, ...]
    first: int

    @property
    def phase(self) -> float:
        """The same along both axes."""
        return self.first + (len(self.taps) - 1) / 2

    @property
    def most_taps(self) -> int:
        """HR pixels along an axis that an LR pixel weighs."""
        return len(self.taps)

    @property
    def most_gain(self) -> float:
        """Sum of the weights' magnitudes along an axis."""
        return sum(map(abs, self.taps))

    def plane(self) -> tuple[NDArray[np.float64], tuple[int, int]]:
        """Return the taps' outer product."""
        return np.outer(self.taps, self.taps), (self.first, self.first)

    def describe(self) -> str:
        """Give name, scale, σ, taps and phase."""
        sigma = "" if self.sigma is None else f", σ = {self.sigma:g}"
        return f"{self.name} (×{self.scale}{sigma}, {len(self.taps)} taps per axis, phase {self.phase:g})"


def centred(size: int, scale: int) -> int:
    """Return the HR index of the first of `size` taps that are centred on the LR pixel.

    Where parity forbids the block's centre, half a pixel before it: an odd kernel at stride 4 sits on HR pixel 4i + 1.
    """
    return math.floor((scale - 1) / 2 - (size - 1) / 2)


def check_scale(scale: int) -> None:
    """Raise UsageError for a scale other than 2, 3, 4 and 8."""
    if scale not in SCALES:
        raise UsageError(f"scale {scale} is not one of 2, 3, 4, 8")


def cubic(x: float) -> float:
    """Evaluate Keys' cubic convolution kernel, a = −0.5 (as in MATLAB's `imresize` and Pillow)."""
    x = abs(x)
    if x <= 1:
        return 1.5 * x**3 - 2.5 * x**2 + 1
    if x < 2:
        return -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return 0.0


def lanczos3(x: float) -> float:
    """Evaluate sinc(x) · sinc(x/3) on |x| < 3."""
    if x == 0:
        return 1.0
    if abs(x) >= 3:
        return 0.0
    return 3 * math.sin(math.pi * x) * math.sin(math.pi * x / 3) / (math.pi * x) ** 2


def box(x: float) -> float:
    """Evaluate the indicator of −1/2 < x ≤ 1/2: half-open, so that each HR pixel belongs to one block."""
    return float(-0.5 < x <= 0.5)


CONTINUOUS: dict[str, tuple[Callable[[float], float], float]] = {
    "bicubic": (cubic, 2.0),
    "lanczos3": (lanczos3, 3.0),
    "box": (box, 0.5),
}


def _normalised(weights: list[float]) -> tuple[float, ...]:
    total = math.fsum(weights)
    return tuple(w / total for w in weights)


def _antialiased(name: str, scale: int) -> SeparableKernel:
    """Stretch a continuous kernel by the scale and centre it on the LR pixel, as MATLAB's `imresize` does."""
    profile, radius = CONTINUOUS[name]
    centre = (scale - 1) / 2
    first, last = math.ceil(centre - radius * scale), math.floor(centre + radius * scale)
    weights = [profile((j - centre) / scale) for j in range(first, last + 1)]
    while weights[0] == 0.0:  # the kernel ends exactly on a pixel: it is not read
        weights, first = weights[1:-1], first + 1
    return SeparableKernel(name, scale, _normalised(weights), first)


def _gaussian(size: int, scale: int, sigma: float) -> SeparableKernel:
    offsets = [(j - (size - 1) / 2) / sigma for j in range(size)]
    weights = [math.exp(-0.5 * offset * offset) for offset in offsets]  # offset ** 2 would raise where it overflows
    if not any(weights):
        raise UsageError(f"sigma {sigma:g} is too small for a Gaussian of {size} taps: none has weight")
    return SeparableKernel(f"gaussian{size}", scale, _normalised(weights), centred(size, scale), sigma)


def make_kernel(name: str, scale: int, sigma: float | None = None) -> SeparableKernel:
    """Make the kernel that a user names, at a scale of 2, 3, 4 or 8.

    `gaussianN` has N taps per axis (N ≥ 1) and standard deviation `sigma` in HR pixels (default 1.6).
    Raises UsageError for an unknown name or scale, or a `sigma` that has no meaning there.
    """
    check_scale(scale)
    if name in CONTINUOUS:
        if sigma is not None:
            raise UsageError(f"--sigma has no meaning for the {name} kernel", "it belongs to gaussianN")
        return _antialiased(name, scale)
    if match := re.fullmatch(r"gaussian([1-9]\d{0,2})", name):
        sigma = DEFAULT_SIGMA if sigma is None else sigma
        if not (math.isfinite(sigma) and sigma > 0):
            raise UsageError(f"sigma must be a positive number of HR pixels, not {sigma}")
        return _gaussian(int(match[1]), scale, sigma)
    raise UsageError(f"unknown kernel '{name}'", did_you_mean(name, (*KERNEL_NAMES, "file:PSF")))
