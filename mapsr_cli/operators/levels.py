"""An image of whole levels in few bytes, together with the estimate that was rounded to it."""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor

STEPS = 64
"""Steps per level in which the estimate is kept beside the image: enough to round by, 3 bytes a sample of 8 bits."""
_MOST = 32767
Place = tuple[slice | int, ...]
"""An index into [C, H, W]."""


def to_levels(y: Tensor, peak: int) -> Tensor:
    """Clip to 0 … peak and round to whole levels, as saving a file does."""
    return y.clamp(0, peak).round_()


def dtype_for(peak: int) -> torch.dtype:
    """Return the type to compute levels 0 … peak in: float32 tells those of 8 bits apart, 16 bits need float64."""
    return torch.float32 if peak <= 255 else torch.float64


@dataclass(frozen=True, eq=False)
class Levels:
    """[C, H, W] whole levels 0 … peak, and the f that they round, to 1/64 level where it lies within 511 levels."""

    image: Tensor
    """uint8, or uint16 for a peak above 255."""
    ahead: Tensor
    """int16: f − image, in steps of 1/64 level."""
    peak: int
    dtype: torch.dtype
    """The dtype that rows are read in: float32 resolves levels of 8 bits, 16 bits need float64."""
    ordered: bool = False
    """Whether f is rounded up from a threshold that changes from pixel to pixel, instead of from ½. Where f is smooth,
    errors of rounding to the nearest level are alike over whole regions, and A keeps them; these it averages out."""

    @classmethod
    def empty(
        cls, size: tuple[int, int, int], peak: int, dtype: torch.dtype, device: torch.device, ordered: bool = False
    ) -> "Levels":
        """Allocate [C, H, W], to be written."""
        kind = torch.uint8 if peak <= 255 else torch.uint16
        image, ahead = (torch.empty(size, dtype=t, device=device) for t in (kind, torch.int16))
        return cls(image, ahead, peak, dtype, ordered)

    @classmethod
    def rounded(cls, f: Tensor, peak: int, ordered: bool = False) -> "Levels":
        """Round all of f [C, H, W]."""
        levels = cls.empty((f.shape[0], f.shape[1], f.shape[2]), peak, f.dtype, f.device, ordered)
        levels.write(slice(0, f.shape[1]), f)
        return levels

    def write(self, rows: slice, f: Tensor) -> None:
        """Write rows [C, rows, W] of f, and their rounding."""
        offsets = self.offsets(rows, slice(0, f.shape[-1]), f) if self.ordered else None
        for plane, image, ahead in zip(f, self.image[:, rows], self.ahead[:, rows], strict=True):
            level = (plane.round() if offsets is None else (plane + offsets).round_()).clamp_(0, self.peak)
            image.copy_(level)
            ahead.copy_(_steps(torch.sub(plane, level, out=level)))

    def offsets(self, rows: slice, cols: slice, like: Tensor) -> Tensor:
        """Return what is added to pixels before they are rounded, ½ less their thresholds: [rows, columns]."""
        if not self.ordered:
            return like.new_zeros(rows.stop - rows.start, cols.stop - cols.start)
        at = [torch.arange(part.start, part.stop, device=like.device) % _SIDE for part in (rows, cols)]
        return _square().to(like)[at[0][:, None], at[1]]

    def gather(self, places: list[Place], dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """Return the image, and f − image, at places of one size: [B, …] each."""
        image = torch.stack([self.image[at] for at in places]).to(dtype)
        return image, torch.stack([self.ahead[at] for at in places]).to(dtype).div_(STEPS)

    def scatter(self, places: list[Place], image: Tensor, ahead: Tensor) -> None:
        """Write an `image` [B, …] of whole levels at the places, with f = image + ahead."""
        whole, steps = image.to(self.image.dtype), _steps(ahead)
        for at, here, beyond in zip(places, whole.unbind(), steps.unbind(), strict=True):
            self.image[at], self.ahead[at] = here, beyond

    def rows(self, rows: slice) -> Tensor:
        """Return rows of the image, in the dtype to compute with."""
        return self.image[:, rows].to(self.dtype)


def _steps(ahead: Tensor) -> Tensor:
    """Convert levels to whole steps, overwriting `ahead`."""
    return ahead.mul_(STEPS).round_().clamp_(-_MOST, _MOST)


_SIDE = 8
"""Pixels a side of the square of thresholds."""


@lru_cache(maxsize=1)
def _square() -> Tensor:
    """Return Bayer's square of 64 evenly spaced numbers in −½ … ½, neighbours as different as can be."""
    square = torch.zeros(1, 1)
    while len(square) < _SIDE:
        square = 4 * square
        square = torch.cat([torch.cat([square, square + 2], 1), torch.cat([square + 3, square + 1], 1)])
    return (square + 0.5) / _SIDE**2 - 0.5
