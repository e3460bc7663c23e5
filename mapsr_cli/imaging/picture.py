"""A decoded picture: whole levels, and what came with them."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mapsr_cli.imaging.coefficients import JpegCoefficients
from mapsr_cli.imaging.tags import Tags
from mapsr_cli.operators import NOISE_REACH


@dataclass(frozen=True, eq=False)
class Picture:
    """What a file holds."""

    levels: Tensor
    """[C, h, w] uint8 (uint16 where peak is 65535), whole levels 0 … peak of the colour; C is 1 (grey), 3 (RGB) or
    4 (CMYK, only where it was asked for)."""
    peak: int = 255
    """The level that means 1.0: 255 for 8 bits, 65535 for 16."""
    sha256: str = ""
    """Of the file's bytes."""
    alpha: Tensor | None = None
    """[1, h, w] in the same dtype: 0 is transparent, peak opaque; the colour is not multiplied by it."""
    tags: Tags = field(default_factory=Tags)
    """Colour profile and EXIF."""
    notes: tuple[str, ...] = ()
    """What reading it had to change, each worth a line to the user."""
    jpeg: JpegCoefficients | None = None
    """What the file stores, of a JPEG that was read with its coefficients."""
    noise: float = 0.0
    """σ of noise that its colour is taken to have, in levels of 255; 0: none."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.levels.shape[-1], self.levels.shape[-2]

    @property
    def samples(self) -> int:
        """Per pixel, alpha included."""
        return len(self.levels) + (self.alpha is not None)

    @property
    def reach(self) -> float:
        """Levels that a colour sample may be off by: 3 σ of noise and rounding; 0 without noise."""
        return NOISE_REACH * self.noise * self.peak / 255 + 0.5 if self.noise else 0.0

    def same_as(self, other: "Picture") -> bool:
        """Tell whether every sample is the same."""
        if (self.peak, self.alpha is None) != (other.peak, other.alpha is None):
            return False  # `equal` raises for two depths
        if not torch.equal(self.levels, other.levels):
            return False
        return self.alpha is None or other.alpha is None or torch.equal(self.alpha, other.alpha)

    def as_kind(self, colours: int, alpha: bool) -> "Picture":
        """Return it with so many colour samples, and alpha or none, as far as that changes nothing that is seen.

        Grey becomes RGB, opaque alpha comes or goes; what cannot be had so stays as it is.
        """
        levels, opaque = self.levels, self.alpha
        if (len(levels), colours) == (1, 3):
            levels = levels.expand(3, -1, -1)
        if alpha and opaque is None:
            opaque = torch.full_like(levels[:1], self.peak)
        elif not alpha and opaque is not None and int(opaque.int().min()) == self.peak:
            opaque = None
        return replace(self, levels=levels, alpha=opaque)


def interleaved(picture: Picture, rows: slice = slice(None)) -> NDArray[Any]:
    """Return samples as files have them, [rows, width, samples]: each pixel's colour, then its alpha."""
    colour = picture.levels[:, rows].cpu().numpy()
    pixels = np.empty((*colour.shape[1:], picture.samples), colour.dtype)
    pixels[..., : len(colour)] = colour.transpose(1, 2, 0)
    if picture.alpha is not None:
        pixels[..., -1] = picture.alpha[0, rows].cpu().numpy()
    return pixels


@dataclass(frozen=True, eq=False)
class Frames:
    """One or more pictures of one size: a file's."""

    pictures: tuple[Picture, ...]
    """In order."""
    durations: tuple[int, ...] = ()
    """Milliseconds each frame of an animation shows; empty for pages and single pictures."""
    loop: int = 0
    """How often an animation plays; 0 is for ever."""

    @property
    def size(self) -> tuple[int, int]:
        """(width, height)."""
        return self.pictures[0].size

    @property
    def distinct(self) -> tuple[Picture, ...]:
        """Without those that only repeat their predecessor: animated formats merge them when written."""
        first = self._first_of_runs
        return tuple(picture for at, picture in enumerate(self.pictures) if first[at] == at)

    @property
    def _first_of_runs(self) -> tuple[int, ...]:
        """Of each picture, the index of the first in its run of equal ones."""
        first = [0]
        for at in range(1, len(self.pictures)):
            first.append(first[-1] if self.pictures[at].same_as(self.pictures[first[-1]]) else at)
        return tuple(first)

    def with_distinct(self, pictures: Sequence[Picture]) -> "Frames":
        """Put another picture in the place of each distinct one, and of those that repeat it."""
        first = self._first_of_runs
        place = {at: n for n, at in enumerate(sorted(set(first)))}
        return replace(self, pictures=tuple(pictures[place[at]] for at in first))
