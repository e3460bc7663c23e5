"""A kernel between two given sizes, whatever their ratio: MATLAB's `imresize` with a target size."""

from dataclasses import dataclass
from math import ceil, isfinite, sqrt

import numpy as np

from mapsr_cli.errors import UsageError
from mapsr_cli.operators.kernels import SCALES, Kernel, SeparableKernel, make_kernel
from mapsr_cli.operators.resized_axis import AxisRows, Profile, axis_rows, make_profile


@dataclass(frozen=True)
class ResizingKernel:
    """A continuous kernel and the two sizes that A goes between. The two axes may have different ratios.

    It answers what a `Kernel` answers about sizes, for its own sizes alone. Hashable: operators are cached by it.
    """

    name: str
    small: tuple[int, int]
    """(h, w) of the LR image."""
    large: tuple[int, int]
    """(H, W) of the HR image."""
    sigma: float | None = None

    @property
    def profile(self) -> Profile:
        """The kernel along one axis."""
        return make_profile(self.name, self.sigma)

    @property
    def scale(self) -> float:
        """HR pixels per LR pixel along an axis: the geometric mean of the two, to four digits."""
        return round(sqrt(self.large[0] * self.large[1] / (self.small[0] * self.small[1])), 4)

    @property
    def factor(self) -> str:
        """How much larger the HR image is, for people: `×2.35`."""
        return f"×{round(self.scale, 2):g}"

    @property
    def border_width(self) -> int:
        """LR pixels at each end of an axis whose rows of A, or columns, feel the border."""
        profile = self.profile
        least = min(large / small for large, small in zip(self.large, self.small, strict=True))
        if profile.stretched:  # one more below x2, where rounding moves A y most, and all was measured so
            return ceil(profile.radius) + (1 if least >= 2 else 2)
        return int(profile.radius / least) + 2

    @property
    def most_taps(self) -> int:
        """HR pixels along an axis that an LR pixel weighs, at most."""
        return max(int(rows.weights.shape[1]) for rows in self._axes)

    @property
    def most_gain(self) -> float:
        """Sum of the weights' magnitudes along an axis, at most."""
        return max(float(np.abs(rows.weights).sum(1).max()) for rows in self._axes)

    @property
    def symmetric(self) -> bool:
        """Whether A of a mirrored image is the mirrored A of the image: continuous kernels are centred."""
        return True

    @property
    def transposed(self) -> "ResizingKernel":
        """The kernel for images whose rows and columns are exchanged."""
        return ResizingKernel(self.name, self.small[::-1], self.large[::-1], self.sigma)

    @property
    def noise_gain(self) -> float:
        """Standard deviation of A of white noise of standard deviation 1, at most."""
        down, across = (float(np.linalg.norm(rows.weights, axis=1).max()) for rows in self._axes)
        return down * across

    @property
    def _axes(self) -> list[AxisRows]:
        return [axis_rows(self.profile, large, small) for large, small in zip(self.large, self.small, strict=True)]

    def describe(self) -> str:
        """Name, σ, sizes."""
        sigma = "" if self.sigma is None else f", σ = {self.sigma:g}"
        return f"{self.name} ({self.large[1]}×{self.large[0]} → {self.small[1]}×{self.small[0]}{sigma})"

    def hr_size(self, lr_size: tuple[int, int]) -> tuple[int, int]:
        """Return the HR size. Raises UsageError for an LR size that is not the kernel's."""
        return self._checked(lr_size, self.small, self.large)

    def lr_size(self, hr_size: tuple[int, int]) -> tuple[int, int]:
        """Return the LR size. Raises UsageError for an HR size that is not the kernel's."""
        return self._checked(hr_size, self.large, self.small)

    def _checked(self, given: tuple[int, int], wanted: tuple[int, int], other: tuple[int, int]) -> tuple[int, int]:
        if given != wanted:
            raise UsageError(f"an image of {given[1]}×{given[0]} pixels does not fit {self.describe()}")
        return other

    def whole_size(self, hr_size: tuple[int, int]) -> tuple[int, int]:
        """Return the HR size. Raises UsageError for another one."""
        return self.hr_size(self.lr_size(hr_size))

    def hr_pixels(self, count: int) -> int:
        """Return `count` times the ratio of the areas, rounded up."""
        area = self.small[0] * self.small[1]
        return -(-count * self.large[0] * self.large[1] // area)

    def hr_range(self, part: slice, axis: int = 0) -> slice:
        """Return the HR rows (axis 0) or columns (axis 1) of a range of LR rows or columns; adjacent ones adjoin."""
        small, large = self.small[axis], self.large[axis]
        return slice(part.start * large // small, part.stop * large // small)

    def hr_window(self, part: slice, axis: int) -> slice:
        """Return the HR rows or columns of a window of LR ones: as many for every window of one length."""
        small, large = self.small[axis], self.large[axis]
        length = -(-(part.stop - part.start) * large // small)
        start = min(part.start * large // small, large - length)
        return slice(start, start + length)


@dataclass(frozen=True)
class RatioKernel:
    """A continuous kernel at one ratio, for images of any size: it makes the kernel of each."""

    name: str
    scale: float
    """HR pixels per LR pixel along an axis, above 1."""
    sigma: float | None = None

    def between(self, hr_size: tuple[int, int]) -> ResizingKernel:
        """Return the kernel from (H, W) to the size that is the ratio's, to the nearest pixel."""
        small = (max(round(hr_size[0] / self.scale), 1), max(round(hr_size[1] / self.scale), 1))
        return ResizingKernel(self.name, small, hr_size, self.sigma)

    def describe(self) -> str:
        """Name, ratio, σ."""
        sigma = "" if self.sigma is None else f", σ = {self.sigma:g}"
        return f"{self.name} (×{self.scale:g}{sigma})"


def kernel_at(kernel: Kernel, scale: float) -> Kernel | RatioKernel:
    """Return the kernel of the same name at another factor.

    Raises UsageError for a factor that is not above 1, and for a measured kernel.
    """
    if scale == kernel.scale:
        return kernel
    if not (isfinite(scale) and scale > 1):
        raise UsageError(f"a scale must be above 1, not {scale:g}")
    _check_named(kernel)
    if scale in SCALES:
        return make_kernel(kernel.name, int(scale), kernel.sigma)
    return RatioKernel(kernel.name, scale, kernel.sigma)


def _check_named(kernel: Kernel) -> None:
    """Raise UsageError for a measured kernel, which belongs to one factor."""
    if not isinstance(kernel, SeparableKernel):
        raise UsageError(
            f"{kernel.name} was measured at {kernel.factor}: it takes no other size", f"--scale {kernel.scale}"
        )


def kernel_between(kernel: Kernel, lr_size: tuple[int, int], hr_size: tuple[int, int]) -> "AnyKernel":
    """Return the kernel of the same name between two sizes (h, w) and (H, W).

    That is the kernel of a whole factor where one of 2, 3, 4 or 8 leads from one size to the other. Raises UsageError
    for a measured kernel, which belongs to one factor.
    """
    if kernel.hr_size(lr_size) == hr_size:
        return kernel
    _check_named(kernel)
    for scale in SCALES:
        if (scale * lr_size[0], scale * lr_size[1]) == hr_size:
            return make_kernel(kernel.name, scale, kernel.sigma)
    return ResizingKernel(kernel.name, lr_size, hr_size, kernel.sigma)


AnyKernel = Kernel | ResizingKernel
"""What A can be made of: a kernel at a whole factor, for images of any size, or one between two given sizes."""
