"""A picture of where two small images differ, and by how much: to be read, so with a scale and a legend."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from mapsr_cli.imaging.picture import Picture

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

CLASSES = (
    (1, "1", (255, 225, 90)),
    (2, "2", (255, 170, 40)),
    (4, "3 to 4", (255, 105, 40)),
    (8, "5 to 8", (235, 40, 60)),
    (1 << 16, "9 and more", (255, 60, 220)),
)
"""Up to how many levels, as the legend says it, and the colour: told apart by lightness as well as by hue."""
_SMALL, _LARGE = 640, 1600
"""Pixels that the longer side of the map should have at least, and at most."""
_LEAST_MARK = 3
"""Pixels a side of the smallest mark: one wrong pixel in a large map must be seen."""
_PAPER, _INK, _FAINT = (24, 24, 27), (240, 240, 240), (150, 150, 155)
_MARGIN, _LINE = 56, 22


@dataclass(frozen=True)
class Caption:
    """The words above the map, and what its axes count."""

    title: str
    verdict: str
    axes: str

    def lines(self) -> tuple[str, str, str]:
        """As Pillow's own font has them: it knows little beyond Latin."""
        said = (self.title, self.verdict, self.axes)
        title, verdict, axes = (text.encode("latin-1", "replace").decode("latin-1") for text in said)
        return title, verdict, axes


def draw_difference(difference: Tensor, original: Picture, caption: Caption) -> Image.Image:
    """Draw differences [S, h, w] in levels over a dimmed LR original of that size.

    Each pixel has the colour of its worst sample. Axes count LR pixels; small images are enlarged, those of large ones
    that share a pixel of the map show the worst of them.
    """
    worst = difference.abs().amax(0).cpu().numpy()
    backdrop = _dimmed(original)
    scale = _scale(max(worst.shape))
    marks = _marked(worst, scale)
    shape = (marks.shape[1], marks.shape[0])
    canvas = Image.fromarray(backdrop).resize(shape, Image.Resampling.BOX if scale < 1 else Image.Resampling.NEAREST)
    pixels = np.array(canvas.convert("RGB"))
    least = 0
    for most, _, colour in CLASSES:
        pixels[(marks > least) & (marks <= most)] = colour
        least = most
    return _framed(Image.fromarray(pixels), scale, caption)


def _dimmed(original: Picture) -> NDArray[np.uint8]:
    grey = original.levels.float().mean(0) / original.peak
    return (30 + 110 * grey).byte().cpu().numpy()


def _scale(longer: int) -> float:
    """Pixels of the map per LR pixel: a whole number, or one over a whole number."""
    return max(_SMALL // longer, 1) if longer <= _LARGE else 1 / -(-longer // _LARGE)


def _marked(worst: NDArray[np.int32], scale: float) -> NDArray[np.int32]:
    """The worst difference per pixel of the map, small marks widened."""
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


def _framed(plot: Image.Image, scale: float, caption: Caption) -> Image.Image:
    font = ImageFont.load_default(15)
    small = ImageFont.load_default(13)
    draw = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    title, verdict, axes = caption.lines()
    legend = 100 + sum(40 + round(draw.textlength(label, small)) for _, label, _ in CLASSES)
    legend += round(draw.textlength(axes, small))
    words = max(round(draw.textlength(text, font)) for text in (title, verdict))
    width = max(plot.width, legend, words) + 2 * _MARGIN
    top = 16 + 2 * _LINE + 26
    canvas = Image.new("RGB", (width, top + plot.height + 2 * _LINE + 24), _PAPER)
    canvas.paste(plot, (_MARGIN, top))
    draw = ImageDraw.Draw(canvas)
    draw.text((_MARGIN, 14), title, _INK, font)
    draw.text((_MARGIN, 14 + _LINE), verdict, _INK, font)
    _axes(draw, plot.size, scale, (_MARGIN, top), small)
    _legend(draw, (_MARGIN, top + plot.height + 16), axes, small)
    return canvas


def _axes(draw: ImageDraw.ImageDraw, size: tuple[int, int], scale: float, at: tuple[int, int], font: Font) -> None:
    """Ticks along the top and the left, in LR pixels."""
    left, top = at
    draw.rectangle((left - 1, top - 1, left + size[0], top + size[1]), outline=_FAINT)
    step = next(s for s in (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 10**6) if s * scale >= 70)
    for pixel in range(0, round(size[0] / scale), step):
        x = left + round(pixel * scale)
        draw.line((x, top - 6, x, top - 2), _FAINT)
        draw.text((x, top - 8), str(pixel), _FAINT, font, anchor="ms")
    for pixel in range(0, round(size[1] / scale), step):
        y = top + round(pixel * scale)
        draw.line((left - 6, y, left - 2, y), _FAINT)
        draw.text((left - 9, y), str(pixel), _FAINT, font, anchor="rm")


def _legend(draw: ImageDraw.ImageDraw, at: tuple[int, int], axes: str, font: Font) -> None:
    x, y = at
    draw.text((x, y), "levels off:", _INK, font)
    x += 80
    for _, label, colour in CLASSES:
        draw.rectangle((x, y + 1, x + 14, y + 15), colour)
        draw.text((x + 20, y), label, _INK, font)
        x += 40 + round(draw.textlength(label, font))
    draw.text((x + 20, y), axes, _FAINT, font)
