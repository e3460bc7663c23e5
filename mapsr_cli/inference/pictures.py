"""A whole picture upscaled: colour, alpha and inks, each by the path that suits it."""

import time
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from mapsr_cli.imaging import Picture, spread
from mapsr_cli.inference.comparison import Tally, compare
from mapsr_cli.inference.upscaler import Progress, Unchecked, Upscaler


@dataclass(frozen=True)
class Account:
    """How a picture came to be, and whether it holds. Accounts add up: colour and alpha, frame and frame."""

    samples: int = 0
    """LR samples upscaled."""
    squared_float: float = 0.0
    """Sum of (x − A ŷ)² over them before rounding, on a 0 … 1 scale."""
    max_abs_float: float = 0.0
    """Largest |x − A ŷ| before rounding, on a 0 … 1 scale."""
    passes: int = 0
    """Most dual passes that the round trip needed anywhere."""
    seconds: dict[str, float] = field(default_factory=dict)
    """`network`, and `project`: projection, round trip, and looking whether it holds."""
    held: Tally = field(default_factory=Tally)
    """Of the stored samples."""
    notes: tuple[str, ...] = ()
    """What is worth a line, each once."""

    def __add__(self, other: "Account") -> "Account":
        names = self.seconds | other.seconds
        return Account(
            self.samples + other.samples,
            self.squared_float + other.squared_float,
            max(self.max_abs_float, other.max_abs_float),
            max(self.passes, other.passes),
            {name: self.seconds.get(name, 0.0) + other.seconds.get(name, 0.0) for name in names},
            self.held + other.held,
            tuple(dict.fromkeys(self.notes + other.notes)),
        )

    @property
    def mse_float(self) -> float:
        """Mean of (x − A ŷ)²."""
        return self.squared_float / max(self.samples, 1)


def upscale_picture(
    picture: Picture, upscaler: Upscaler, progress: Progress, sample: int = 1
) -> tuple[Picture, Account]:
    """Upscale colour by the RGB (or grey) path, alpha and black ink by the grey one; all as the same `sample`.

    Stored colour is not multiplied by alpha, and neither is ours: of the two, only this one can be kept bit for bit in
    whole levels. Colour under fully transparent pixels is first replaced by its visible neighbours', so nothing
    hidden bleeds into what shows.
    """
    colour = picture.levels if picture.alpha is None else spread(picture.levels, picture.alpha)
    inks = len(colour) == 4
    parts = [_light(colour[:3], picture.peak), colour[3:]] if inks else [colour]
    if picture.alpha is not None:
        parts.append(picture.alpha)
    made = [upscaler.upscale(part, picture.peak, progress, part is picture.alpha, sample) for part in parts]
    levels = [part.levels for part in made]
    alpha = None if picture.alpha is None else levels.pop()
    colour = torch.cat([_light(levels[0], picture.peak), levels[1]]) if inks else levels[0]
    upscaled = replace(picture, levels=colour, alpha=alpha)
    began = time.perf_counter()
    held, _ = compare(upscaled, picture, upscaler.kernel)
    checked = Account(held=held, seconds={"project": time.perf_counter() - began})
    return upscaled, sum(map(_account, made, parts), checked)


def _light(levels: Tensor, peak: int) -> Tensor:
    """Ink as light, or light as ink: the network knows pictures, not inks."""
    return (peak - levels.int()).to(levels.dtype)


def _account(made: Unchecked, part: Tensor) -> Account:
    n = part.numel()
    return Account(n, made.mse_float * n, made.max_abs_float, made.passes, made.seconds, notes=made.notes)
