"""The size that a user asks for: a factor, a width, a height, a box to fit into, or a number of pixels."""

import re
from dataclasses import dataclass
from fractions import Fraction
from math import isfinite, sqrt

from mapsr_cli.errors import UsageError
from mapsr_cli.imaging import find_kernel
from mapsr_cli.operators import SCALES, AnyKernel, kernel_between

LARGEST_FACTOR = 64.0
"""HR pixels per LR pixel along an axis, at most: beyond, next to nothing in the result comes from the original."""

LEAST_FACTOR = 1.1
"""HR pixels per LR pixel along an axis, at least, where every sample is to be given back: nearer to the original's size
AAᵀ's condition number grows from 3 to 200, and whole levels leave too little room."""


@dataclass(frozen=True)
class SizeRequest:
    """A size asked for, of the picture as it is seen, by one field. The aspect ratio stays, to the nearest pixel."""

    scale: float | None = None
    """HR pixels per LR pixel along an axis."""
    width: int | None = None
    """HR pixels from left to right."""
    height: int | None = None
    """HR pixels from top to bottom."""
    fit: tuple[int, int] | None = None
    """(width, height) of a box: the largest size within it."""
    megapixels: float | None = None
    """Millions of HR pixels."""

    def __post_init__(self) -> None:
        given = [name for name, value in vars(self).items() if value is not None]
        if len(given) != 1:
            raise UsageError(
                "give one size: a scale, a width, a height, a box to fit into, or megapixels"
                if not given
                else f"{' and '.join('--' + name for name in given)} ask for two sizes",
                "one of --scale, --width, --height, --fit, --megapixels",
            )
        numbers = self.fit or (getattr(self, given[0]),)
        if not all(isfinite(n) and n > 0 for n in numbers):
            raise UsageError(f"--{given[0]} must be positive, not {' × '.join(f'{n:g}' for n in numbers)}")

    @property
    def suffix(self) -> str:
        """What the name of an output ends in: `_x2`, `_3000w`, `_2000h`, `_3840x2160`, `_12mp`."""
        if self.scale is not None:
            return f"_x{self.scale:g}"
        if self.width is not None:
            return f"_{self.width}w"
        if self.height is not None:
            return f"_{self.height}h"
        if self.fit is not None:
            return f"_{self.fit[0]}x{self.fit[1]}"
        return f"_{self.megapixels:g}mp"

    def of(self, height: int, width: int) -> tuple[int, int]:
        """Return (H, W) for a picture that is seen as `height` × `width` pixels.

        Raises UsageError where that is no larger than the picture, or more than 64 times as large along an axis.
        """
        factor = self._factor(height, width)
        large = self.height or _rounded(height * factor), self.width or _rounded(width * factor)
        if large[0] < height or large[1] < width or large == (height, width):
            raise UsageError(
                f"{large[1]}×{large[0]} is no larger than the original, {width}×{height}",
                "mapsr downscale makes pictures smaller",
            )
        if max(large[0] / height, large[1] / width) > LARGEST_FACTOR:
            raise UsageError(
                f"{large[1]}×{large[0]} is more than {LARGEST_FACTOR:g} times the original, {width}×{height}, on a side"
            )
        return large

    def _factor(self, height: int, width: int) -> Fraction:
        """Divide HR pixels by LR pixels along an axis."""
        if self.scale is not None:
            return Fraction(self.scale).limit_denominator(10**6)
        if self.width is not None:
            return Fraction(self.width, width)
        if self.height is not None:
            return Fraction(self.height, height)
        if self.fit is not None:
            return min(Fraction(self.fit[0], width), Fraction(self.fit[1], height))
        assert self.megapixels is not None
        return Fraction(sqrt(self.megapixels * 1e6 / (height * width)))


def check_room(lr_size: tuple[int, int], hr_size: tuple[int, int], hint: str) -> None:
    """Raise UsageError where one axis is enlarged, but so little that not every sample can be given back.

    Sizes (h, w) and (H, W) that are LEAST_FACTOR apart to the nearest pixel are enough.
    """
    for small, large in zip(lr_size, hr_size, strict=True):
        if large != small and large + 0.5 < LEAST_FACTOR * small:
            raise UsageError(
                f"{hr_size[1]}×{hr_size[0]} is too near to the original's {lr_size[1]}×{lr_size[0]} "
                f"(below ×{LEAST_FACTOR:g}): not every sample could be given back",
                hint,
            )


def request_size(
    scale: float | None, width: int | None, height: int | None, fit: str | None, megapixels: float | None
) -> SizeRequest | None:
    """Make the request of a command line's options; None where none of them is given. Raises UsageError."""
    given = scale, width, height, fit, megapixels
    if all(value is None for value in given):
        return None
    return SizeRequest(scale, width, height, None if fit is None else parse_box(fit), megapixels)


def parse_box(text: str) -> tuple[int, int]:
    """Read a box, `WIDTHxHEIGHT`. Raises UsageError for anything else."""
    match = re.fullmatch(r"([1-9]\d{0,6})[x×]([1-9]\d{0,6})", text.strip())
    if match is None:
        raise UsageError(f"'{text[:40]}' is no size", "write it as WIDTHxHEIGHT, such as 3840x2160")
    return int(match[1]), int(match[2])


def _rounded(n: Fraction) -> int:
    """Round to the nearest whole number, halves up, at least 1."""
    return max(int(n + Fraction(1, 2)), 1)


def reducing_kernel(
    name: str,
    sigma: float | None,
    large: tuple[int, int],
    *,
    scale: float | None = None,
    width: int | None = None,
    size: tuple[int, int] | None = None,
) -> AnyKernel:
    """Make the kernel of that name that reduces a picture of (width, height) = `large`.

    By `scale` (default 4); to a `width`, its shape kept; or to a `size` (width, height). Raises UsageError for a size
    that is not smaller, and as `find_kernel`.
    """
    if width is None and size is None and (scale is None or scale in SCALES):
        return find_kernel(name, 4 if scale is None else int(scale), sigma)
    if scale is not None and not (isfinite(scale) and scale > 1):
        raise UsageError(f"--scale must be above 1, not {scale:g}")
    if size is not None:
        small = size
    elif width is not None:
        small = width, _rounded(Fraction(large[1] * width, large[0]))
    else:
        small = _rounded(large[0] / Fraction(scale or 4)), _rounded(large[1] / Fraction(scale or 4))
    if small[0] > large[0] or small[1] > large[1] or small == large:
        raise UsageError(f"{small[0]}×{small[1]} is no smaller than {large[0]}×{large[1]}")
    return kernel_between(find_kernel(name, 4, sigma), small[::-1], large[::-1])
