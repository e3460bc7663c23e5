"""A and A⁺ as pictures of their kernels, as in Figure 2d."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn import functional

from mapsr_cli.operators import ConvPinv, Kernel
from mapsr_cli.views.map_frame import drawable

PANEL = 480
"""Pixels a side of a kernel's map, at most."""
LEFT, TOP, GAP, RIGHT, BOTTOM = 70, 120, 210, 130, 80
"""Margins, and what lies between the two maps."""
BAR, BAR_GAP = 22, 22
"""Width of a value scale, and its distance from the map."""
INK, FAINT, RULE, PAPER = (30, 30, 30), (110, 110, 110), (200, 200, 200), (255, 255, 255)
COLOURS = ((5, 48, 97), (67, 147, 195), (247, 247, 247), (214, 96, 77), (103, 0, 31))
"""From −1 over 0 to 1: negative lobes are blue."""

Weights = NDArray[np.float64]


@dataclass(frozen=True)
class _Panel:
    """A kernel to draw: weights, and the HR (row, column) of the first, seen from the LR pixel's own block."""

    title: str
    raised: str
    caption: str
    values: Weights
    first: tuple[int, int]


def draw_kernels(kernel: Kernel, pinv: ConvPinv) -> Tensor:
    """Draw A (what an LR pixel reads of HR) beside A⁺ (what it adds to HR, all phases together): [3, H, W] uint8.

    Each has a value scale of its own; zero has the same colour in both.
    """
    weights, first = _with_block(*kernel.plane(), kernel.scale)
    response, start = impulse_response(pinv)
    sigma = "" if kernel.sigma is None else f", sigma {kernel.sigma:g}"
    panels = (
        _Panel("A", "", f"{drawable(kernel.name)}, x{kernel.scale}{sigma}", weights, first),
        _Panel("A", "+", f"{len(pinv.kernels)} kernels of {pinv.taps} x {pinv.taps}, interleaved", response, start),
    )
    width = LEFT + 2 * PANEL + GAP + RIGHT
    image = Image.new("RGB", (width, TOP + PANEL + BOTTOM), PAPER)
    for number, panel in enumerate(panels):
        _draw(image, panel, (LEFT + number * (PANEL + GAP), TOP), kernel.scale)
    return torch.from_numpy(np.array(image)).permute(2, 0, 1)


def _with_block(weights: Weights, first: tuple[int, int], scale: int) -> tuple[Weights, tuple[int, int]]:
    """Pad a kernel that does not fill the LR pixel's block with zeros."""
    ends = (at + size for at, size in zip(first, weights.shape, strict=True))
    margins = [(max(at, 0), max(scale - end, 0)) for at, end in zip(first, ends, strict=True)]
    return np.pad(weights, margins), (min(first[0], 0), min(first[1], 0))


def impulse_response(pinv: ConvPinv) -> tuple[Weights, tuple[int, int]]:
    """Return B applied to a single LR pixel of 1, [s·k, s·k], and (row, column) of its first pixel, seen from `s·i`."""
    flipped = pinv.kernels.detach().double().flip(-2, -1)
    start = -pinv.scale * (pinv.taps // 2)
    return functional.pixel_shuffle(flipped, pinv.scale)[0].numpy(), (start, start)


def kernel_map(values: Weights, first: tuple[int, int], scale: int) -> Image.Image:
    """Draw weights [rows, cols] as squares: zero in white, ± the largest magnitude in red and blue.

    The LR pixel's own block is outlined, the blocks of its neighbours are ruled. `first` is the HR (row, column) of the
    first weight, seen from that block.
    """
    rows, cols = values.shape
    cell = PANEL // max(rows, cols)
    limit = float(np.abs(values).max())
    image = Image.fromarray(_coloured(values / limit)).resize((cols * cell, rows * cell), Image.Resampling.NEAREST)
    draw = ImageDraw.Draw(image)
    if max(rows, cols) > 2 * scale:
        for step in range(-first[1] % scale, cols, scale):
            draw.line((step * cell, 0, step * cell, image.height - 1), RULE)
        for step in range(-first[0] % scale, rows, scale):
            draw.line((0, step * cell, image.width - 1, step * cell), RULE)
    draw.rectangle((0, 0, image.width - 1, image.height - 1), outline=FAINT)
    x, y = (-first[1] * cell, -first[0] * cell)
    draw.rectangle((x, y, x + scale * cell - 1, y + scale * cell - 1), outline=INK, width=2)
    return image


def _draw(image: Image.Image, panel: _Panel, at: tuple[int, int], scale: int) -> None:
    left, top = at
    plot = kernel_map(panel.values, panel.first, scale)
    image.paste(plot, at)
    draw = ImageDraw.Draw(image)
    draw.text((left, top - 96), panel.title, INK, ImageFont.load_default(44))
    draw.text((left + 32, top - 102), panel.raised, INK, ImageFont.load_default(28))
    draw.text((left, top - 34), panel.caption, FAINT, ImageFont.load_default(20))
    _ticks(draw, panel, at, plot.width // panel.values.shape[1], scale)
    _value_scale(image, panel.values, (left + plot.width + BAR_GAP, top), plot.height)


def _ticks(draw: ImageDraw.ImageDraw, panel: _Panel, at: tuple[int, int], cell: int, scale: int) -> None:
    """Label both axes in HR pixels, at the first of each block."""
    font = ImageFont.load_default(18)
    rows, cols = panel.values.shape
    every = scale * max(1, 40 // (scale * cell) + 1)
    for step in range(-panel.first[1] % every, cols, every):
        centre = (at[0] + (step + 0.5) * cell, at[1] + rows * cell + 8)
        draw.text(centre, str(step + panel.first[1]), FAINT, font, anchor="mt")
    for step in range(-panel.first[0] % every, rows, every):
        centre = (at[0] - 10, at[1] + (step + 0.5) * cell)
        draw.text(centre, str(step + panel.first[0]), FAINT, font, anchor="rm")
    draw.text((at[0] + cols * cell / 2, at[1] + rows * cell + 36), "HR pixels", FAINT, font, anchor="mt")


def _value_scale(image: Image.Image, values: Weights, at: tuple[int, int], height: int) -> None:
    """Draw the value scale from the largest value down to the least, zero included."""
    left, top = at
    high, low = max(float(values.max()), 0.0), min(float(values.min()), 0.0)
    ramp = np.linspace(high, low, height)[:, None].repeat(BAR, axis=1) / np.abs(values).max()
    image.paste(Image.fromarray(_coloured(ramp)), (left, top))
    draw = ImageDraw.Draw(image)
    draw.rectangle((left, top, left + BAR - 1, top + height - 1), outline=FAINT)
    places = {high: 8.0, 0.0: height * high / (high - low), low: height - 9.0}
    for value, y in places.items():
        if value in (high, low) or 24 < y < height - 24:
            draw.text((left + BAR + 8, top + y), f"{value:.3g}", FAINT, ImageFont.load_default(18), anchor="lm")


def _coloured(values: Weights) -> NDArray[np.uint8]:
    """Map values in [−1, 1] to colours [..., 3]."""
    at = np.linspace(-1, 1, len(COLOURS))
    channels = [np.interp(values, at, [colour[i] for colour in COLOURS]) for i in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)
