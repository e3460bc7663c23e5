"""A map of where two LR images differ, and by how much, with axes and a legend."""

import io
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from mapsr_cli.errors import FileError
from mapsr_cli.files import check_target, identity, write_bytes
from mapsr_cli.imaging import Picture
from mapsr_cli.inference.verification import Verification
from mapsr_cli.views.map_frame import INK, PAPER, Caption, fonts, framed, length, map_scale

COLOURS = (255, 225, 90), (255, 170, 40), (255, 105, 40), (235, 40, 60), (255, 60, 220)
"""Of small differences to large ones; they differ in lightness as well as in hue."""


@dataclass(frozen=True)
class Legend:
    """How differences are classed."""

    words: str
    """What is counted."""
    classes: tuple[tuple[float, str], ...]
    """(largest difference, its name), one for each of COLOURS."""


LEVELS = Legend("levels off:", ((1, "1"), (2, "2"), (4, "3 to 4"), (8, "5 to 8"), (inf, "9 and more")))
STEPS = Legend(
    "steps beyond a coefficient's cell:",
    ((0.1, "to 0.1"), (0.5, "to 0.5"), (1, "to 1"), (4, "to 4"), (inf, "more")),
)
_LEAST_MARK = 3
"""Pixels a side of the smallest mark: one wrong pixel in a large map must be seen."""


def draw_difference(difference: Tensor, original: Picture, caption: Caption, legend: Legend = LEVELS) -> Image.Image:
    """Draw differences [S, h, w] over a dimmed LR original of that size.

    Each pixel has the colour of its worst sample. Axes count LR pixels; small images are enlarged, those of large ones
    that share a pixel of the map show the worst of them.
    """
    worst = difference.abs().amax(0).cpu().numpy()
    backdrop = _dimmed(original)
    scale = map_scale(max(worst.shape))
    marks = _marked(worst, scale)
    shape = (marks.shape[1], marks.shape[0])
    canvas = Image.fromarray(backdrop).resize(shape, Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST)
    pixels = np.array(canvas.convert("RGB"))
    least = 0.0
    for (most, _), colour in zip(legend.classes, COLOURS, strict=True):
        pixels[(marks > least) & (marks <= most)] = colour
        least = most
    return framed(Image.fromarray(pixels), scale, caption, _strip(legend))


def _dimmed(original: Picture) -> NDArray[np.uint8]:
    grey = original.levels.float().mean(0) / original.peak
    return (30 + 110 * grey).byte().cpu().numpy()


def _marked(worst: NDArray[Any], scale: float) -> NDArray[Any]:
    """Reduce or enlarge to the largest difference per pixel of the map; widen marks that would be too small."""
    if scale >= 1:
        marks = worst.repeat(int(scale), 0).repeat(int(scale), 1)
    else:
        block = round(1 / scale)
        padded = np.pad(worst, [(0, -n % block) for n in worst.shape])
        marks = padded.reshape(padded.shape[0] // block, block, -1, block).max((1, 3))
    if scale >= _LEAST_MARK:
        return marks
    ring = np.pad(marks, 1)
    height, width = marks.shape
    around = [ring[i : i + height, j : j + width] for i in range(3) for j in range(3)]
    widest: NDArray[Any] = np.stack(around).max(axis=0)
    return widest


def _strip(legend: Legend) -> Image.Image:
    _, font = fonts()
    words = legend.words
    widths = [40 + length(label, font) for _, label in legend.classes]
    strip = Image.new("RGB", (length(words, font) + 12 + sum(widths) - 20, 20), PAPER)
    draw = ImageDraw.Draw(strip)
    draw.text((0, 0), words, INK, font)
    x = length(words, font) + 12
    for (_, label), colour, width in zip(legend.classes, COLOURS, widths, strict=True):
        draw.rectangle((x, 1, x + 14, 15), colour)
        draw.text((x + 20, 0), label, INK, font)
        x += width
    return strip


def check_map(path: Path, lr: Path, hr: Path, overwrite: bool) -> None:
    """Raise FileError where a map at `path` would replace LR, HR or, unless `overwrite`, another file."""
    if (there := identity(path)) and there in (identity(lr), identity(hr)):
        raise FileError(f"{path} is one of the two files compared", "give the map another name")
    check_target(path, overwrite)


def difference_picture(checked: Verification, lr: Path, hr: Path, path: Path, overwrite: bool = True) -> None:
    """Draw where it does not hold into a PNG. Raises FileError as `check_map` does, or where it cannot be written."""
    check_map(path, lr, hr, overwrite)
    kernel, agreement, by_block = checked.kernel, checked.consistency, checked.consistency.evidence == "jpeg"
    if by_block:
        off, all_agree = agreement.describe(), "every coefficient agrees"
    else:
        wrong, levels = int((checked.difference != 0).sum()), int(agreement.worst)
        worst = f"{levels} level{'s' if levels > 1 else ''} at worst"
        off, all_agree = (
            f"{wrong:,} of {checked.difference.numel():,} samples differ, by {worst}",
            "every sample agrees",
        )
    caption = Caption(
        title=f"{hr.name}, downscaled by {kernel.name} x{kernel.scale:g}, against {lr.name}",
        verdict=all_agree if agreement.holds else off,
        axes=f"axes: pixels of {lr.name}",
    )
    buffer = io.BytesIO()
    draw_difference(checked.difference, checked.original, caption, STEPS if by_block else LEVELS).save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())
