"""A map of where two LR images differ, and by how much, with axes and a legend."""

import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from torch import Tensor

from mapsr_cli.errors import FileError
from mapsr_cli.files import check_target, identity, write_bytes
from mapsr_cli.imaging import Picture
from mapsr_cli.inference.verification import Verification
from mapsr_cli.views.map_frame import INK, PAPER, Caption, fonts, framed, length, map_scale

CLASSES = (
    (1, "1", (255, 225, 90)),
    (2, "2", (255, 170, 40)),
    (4, "3 to 4", (255, 105, 40)),
    (8, "5 to 8", (235, 40, 60)),
    (1 << 16, "9 and more", (255, 60, 220)),
)
"""(largest difference in levels, legend, colour); the colours differ in lightness as well as in hue."""
_LEAST_MARK = 3
"""Pixels a side of the smallest mark: one wrong pixel in a large map must be seen."""


def draw_difference(difference: Tensor, original: Picture, caption: Caption) -> Image.Image:
    """Draw differences [S, h, w] in levels over a dimmed LR original of that size.

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
    least = 0
    for most, _, colour in CLASSES:
        pixels[(marks > least) & (marks <= most)] = colour
        least = most
    return framed(Image.fromarray(pixels), scale, caption, _legend())


def _dimmed(original: Picture) -> NDArray[np.uint8]:
    grey = original.levels.float().mean(0) / original.peak
    return (30 + 110 * grey).byte().cpu().numpy()


def _marked(worst: NDArray[np.int32], scale: float) -> NDArray[np.int32]:
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
    widest: NDArray[np.int32] = np.stack(around).max(axis=0)
    return widest


def _legend() -> Image.Image:
    _, font = fonts()
    words = "levels off:"
    widths = [40 + length(label, font) for _, label, _ in CLASSES]
    strip = Image.new("RGB", (length(words, font) + 12 + sum(widths) - 20, 20), PAPER)
    draw = ImageDraw.Draw(strip)
    draw.text((0, 0), words, INK, font)
    x = length(words, font) + 12
    for (_, label, colour), width in zip(CLASSES, widths, strict=True):
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
    kernel, consistency, wrong = checked.kernel, checked.consistency, int((checked.difference != 0).sum())
    plural = "s" if consistency.worst_levels > 1 else ""
    worst = f"{consistency.worst_levels} level{plural} at worst"
    off = f"{wrong:,} of {checked.difference.numel():,} samples differ, by {worst}"
    caption = Caption(
        title=f"{hr.name}, downscaled by {kernel.name} x{kernel.scale:g}, against {lr.name}",
        verdict="every sample agrees" if consistency.holds else off,
        axes=f"axes: pixels of {lr.name}",
    )
    buffer = io.BytesIO()
    draw_difference(checked.difference, checked.original, caption).save(buffer, "PNG")
    write_bytes(path, buffer.getvalue())
