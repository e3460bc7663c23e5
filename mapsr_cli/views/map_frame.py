"""The frame of a drawn map: a caption above it, axes in pixels, a legend below."""

import unicodedata
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

PAPER, INK, FAINT = (24, 24, 27), (240, 240, 240), (150, 150, 155)
MARGIN, LINE = 56, 22
_SMALL, _LARGE = 640, 1600
"""Least and largest longer side of a map, in pixels."""


@dataclass(frozen=True)
class Caption:
    """The text above a map, and what its axes count."""

    title: str
    verdict: str
    axes: str

    def lines(self) -> tuple[str, str, str]:
        """Return title, verdict and axes in the characters of Pillow's own font."""
        return drawable(self.title), drawable(self.verdict), drawable(self.axes)


def drawable(text: str) -> str:
    """Convert to ASCII, all that Pillow's own font has: accents are dropped, other letters become question marks."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    return bare.replace("×", "x").encode("ascii", "replace").decode("ascii")


def fonts() -> tuple[Font, Font]:
    """Return the font of the text and the smaller one of labels."""
    return ImageFont.load_default(15), ImageFont.load_default(13)


def length(text: str, font: Font) -> int:
    """Return the width of a line of text in pixels."""
    return round(font.getlength(text))


def map_scale(longer: int) -> float:
    """Return map pixels per picture pixel: a whole number, or one over a whole number."""
    return max(_SMALL // longer, 1) if longer <= _LARGE else 1 / -(-longer // _LARGE)


def framed(plot: Image.Image, scale: float, caption: Caption, legend: Image.Image) -> Image.Image:
    """Surround a map with its caption, axes in pixels of the picture, and a legend."""
    font, small = fonts()
    title, verdict, axes = caption.lines()
    below = legend.width + 20 + length(axes, small)
    width = max(plot.width, below, *(length(text, font) for text in (title, verdict))) + 2 * MARGIN
    top = 16 + 2 * LINE + 26
    canvas = Image.new("RGB", (width, top + plot.height + 24 + legend.height + 24), PAPER)
    canvas.paste(plot, (MARGIN, top))
    draw = ImageDraw.Draw(canvas)
    draw.text((MARGIN, 14), title, INK, font)
    draw.text((MARGIN, 14 + LINE), verdict, INK, font)
    _axes(draw, plot.size, scale, (MARGIN, top), small)
    canvas.paste(legend, (MARGIN, top + plot.height + 16))
    draw.text((MARGIN + legend.width + 20, top + plot.height + 16), axes, FAINT, small)
    return canvas


def _axes(draw: ImageDraw.ImageDraw, size: tuple[int, int], scale: float, at: tuple[int, int], font: Font) -> None:
    """Draw ticks along the top and the left, in pixels of the picture."""
    left, top = at
    draw.rectangle((left - 1, top - 1, left + size[0], top + size[1]), outline=FAINT)
    step = next(s for s in (5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10**6) if s * scale >= 70)
    for pixel in range(0, round(size[0] / scale), step):
        x = left + round(pixel * scale)
        draw.line((x, top - 6, x, top - 2), FAINT)
        draw.text((x, top - 8), str(pixel), FAINT, font, anchor="ms")
    for pixel in range(0, round(size[1] / scale), step):
        y = top + round(pixel * scale)
        draw.line((left - 6, y, left - 2, y), FAINT)
        draw.text((left - 9, y), str(pixel), FAINT, font, anchor="rm")
