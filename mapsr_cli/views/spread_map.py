"""Maps of where samples differ and of error bars, in colours ordered by lightness, with their scale in levels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mapsr_cli.views.crops import block_means
from mapsr_cli.views.deviation import Spread
from mapsr_cli.views.map_frame import FAINT, INK, PAPER, Caption, fonts, framed, length, map_scale

_INFERNO = (
    *((0, 0, 4), (11, 7, 36), (33, 12, 74), (61, 9, 101), (87, 16, 110), (113, 25, 110)),
    *((138, 34, 106), (163, 44, 97), (188, 55, 84), (210, 70, 68), (228, 90, 49), (241, 115, 29)),
    *((249, 142, 9), (252, 172, 17), (249, 203, 53), (242, 234, 105), (252, 255, 164)),
)
"""Nathaniel Smith and Stéfan van der Walt's (CC0), at sixteenths: equal steps look equal, in grey as well."""
_TOPS = (1, 2, 5, 10, 20, 50, 100, 200)
"""Levels that the scale may end at."""
_ABOVE = 0.002
"""Share of the map that may lie beyond the end of the scale."""
_BAR, _HIGH = 256, 14


def draw_spread(spread: Spread, caption: Caption) -> Image.Image:
    """Draw the standard deviation over samples. Axes count pixels; those of a large picture share pixels of the map."""
    scale = map_scale(max(spread.size))
    deviation = spread.deviation(1 if scale >= 1 else round(1 / scale))
    return _draw(deviation, scale, caption, "standard deviation in levels:  0")


def draw_error_bars(bars: NDArray[np.uint8], caption: Caption) -> Image.Image:
    """Draw error bars [H, W] in levels; pixels of a large picture that share one of the map are averaged."""
    height, width = bars.shape
    scale = map_scale(max(bars.shape))
    means = bars if scale >= 1 else block_means(lambda rows: bars[rows], (width, height), round(1 / scale))
    return _draw(means, scale, caption, "the true value lies within, in levels:  0")


def _draw(levels: NDArray[Any], scale: float, caption: Caption, words: str) -> Image.Image:
    end = float(np.quantile(levels, 1 - _ABOVE))
    top = next((top for top in _TOPS if end <= top), _TOPS[-1])
    coloured = colours()[np.clip(levels / top * 255, 0, 255).round().astype(np.uint8)]
    times = max(int(scale), 1)
    plot = Image.fromarray(coloured.repeat(times, 0).repeat(times, 1))
    return framed(plot, scale, caption, _legend(words, top, bool(levels.max() > top)))


def colours() -> NDArray[np.uint8]:
    """Return the colour scale: [256, 3]."""
    at, stops = np.linspace(0, len(_INFERNO) - 1, 256), np.arange(len(_INFERNO))
    channels = [np.interp(at, stops, channel) for channel in zip(*_INFERNO, strict=True)]
    return np.stack(channels, 1).round().astype(np.uint8)


def _legend(words: str, top: int, more: bool) -> Image.Image:
    """Draw the colour scale from 0 to `top` levels, after some words."""
    _, font = fonts()
    end = f"{top} and more" if more else f"{top}"
    left = length(words, font) + 8
    strip = Image.new("RGB", (left + _BAR + 8 + length(end, font), 20), PAPER)
    draw = ImageDraw.Draw(strip)
    draw.text((0, 0), words, INK, font)
    bar = np.broadcast_to(colours(), (_HIGH, 256, 3))
    strip.paste(Image.fromarray(np.ascontiguousarray(bar)).resize((_BAR, _HIGH)), (left, 2))
    draw.rectangle((left - 1, 1, left + _BAR, 2 + _HIGH), outline=FAINT)
    draw.text((left + _BAR + 8, 0), end, INK, font)
    return strip
