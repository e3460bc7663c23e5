"""An image of whole levels in few bytes, together with the estimate that it rounds."""

from dataclasses import dataclass

import torch
from torch import Tensor

STEPS = 64
"""Steps per level in which the estimate is kept beside the image: enough to round by, 3 bytes a sample of 8 bits."""
_MOST = 32767


def to_levels(y: Tensor, peak: int) -> Tensor:
    """Clip to 0 … peak and round to whole levels, as saving a file does."""
    return y.clamp(0, peak).round_()


@dataclass(frozen=True, eq=False)
class Levels:
    """[C, H, W] whole levels 0 … peak, and f, which they round: to 1/64 level, if within 511 levels of them."""

    image: Tensor
    """uint8, or uint16 for a peak above 255."""
    ahead: Tensor
    """int16: f − image, in steps of 1/64 level."""
    peak: int
    dtype: torch.dtype
    """Of what is read from it: float32 tells levels of 8 bits apart, 16 need float64."""

    @classmethod
    def empty(cls, size: tuple[int, int, int], peak: int, dtype: torch.dtype, device: torch.device) -> "Levels":
        """[C, H, W], to be written."""
        kind = torch.uint8 if peak <= 255 else torch.uint16
        image, ahead = (torch.empty(size, dtype=t, device=device) for t in (kind, torch.int16))
        return cls(image, ahead, peak, dtype)

    @classmethod
    def rounded(cls, f: Tensor, peak: int) -> "Levels":
        """All of f [C, H, W] at once."""
        levels = cls.empty((f.shape[0], f.shape[1], f.shape[2]), peak, f.dtype, f.device)
        levels.write((slice(None), slice(None)), f)
        return levels

    def write(self, at: tuple[slice | int, ...], f: Tensor, image: Tensor | None = None) -> None:
        """Put f there, and its rounding, or another `image` of whole levels."""
        image = to_levels(f, self.peak) if image is None else image
        self.image[at] = image.to(self.image.dtype)
        self.ahead[at] = (f - image).mul_(STEPS).round_().clamp_(-_MOST, _MOST).to(torch.int16)

    def read(self, at: tuple[slice | int, ...]) -> tuple[Tensor, Tensor]:
        """The image and f, there."""
        image = self.image[at].to(self.dtype)
        return image, image + self.ahead[at].to(self.dtype) / STEPS

    def rows(self, rows: slice) -> Tensor:
        """Rows of the image, to compute with."""
        return self.image[:, rows].to(self.dtype)
