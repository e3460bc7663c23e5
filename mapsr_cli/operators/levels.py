"""An image of whole levels in few bytes, together with the estimate that was rounded to it."""

from dataclasses import dataclass

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

    @classmethod
    def empty(cls, size: tuple[int, int, int], peak: int, dtype: torch.dtype, device: torch.device) -> "Levels":
        """Allocate [C, H, W], to be written."""
        kind = torch.uint8 if peak <= 255 else torch.uint16
        image, ahead = (torch.empty(size, dtype=t, device=device) for t in (kind, torch.int16))
        return cls(image, ahead, peak, dtype)

    @classmethod
    def rounded(cls, f: Tensor, peak: int) -> "Levels":
        """Round all of f [C, H, W]."""
        levels = cls.empty((f.shape[0], f.shape[1], f.shape[2]), peak, f.dtype, f.device)
        levels.write(slice(0, f.shape[1]), f)
        return levels

    def write(self, rows: slice, f: Tensor) -> None:
        """Write rows [C, rows, W] of f, and their rounding."""
        for plane, image, ahead in zip(f, self.image[:, rows], self.ahead[:, rows], strict=True):
            level = plane.round().clamp_(0, self.peak)
            image.copy_(level)
            ahead.copy_(_steps(torch.sub(plane, level, out=level)))

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
