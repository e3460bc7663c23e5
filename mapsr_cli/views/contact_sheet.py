"""Several versions of a picture on one sheet, each with its name."""

from collections.abc import Sequence

from PIL import Image, ImageDraw

from mapsr_cli.views.map_frame import FAINT, INK, LINE, PAPER, drawable, fonts, length

_GAP, _MARGIN = 16, 24
_WIDE = 1.6
"""Wanted ratio of the sheet's width to its height."""


def cell_size(count: int) -> int:
    """Choose the longer side of each of `count` pictures in pixels: smaller where there are many."""
    return 384 if count <= 15 else 224


def draw_sheet(cells: Sequence[tuple[str, Image.Image]], title: str, remark: str) -> Image.Image:
    """Draw labelled pictures of one size in rows under two lines of text; small ones are enlarged in squares."""
    font, small = fonts()
    width, height = cells[0][1].size
    times = max(cell_size(len(cells)) // max(width, height), 1)
    width, height = times * width, times * height
    columns = _columns(len(cells), width, height + LINE)
    rows = -(-len(cells) // columns)
    lines = [drawable(text) for text in (title, remark)]
    across = max(columns * (width + _GAP) - _GAP, *(length(line, font) for line in lines))
    top = _MARGIN + 2 * LINE + _GAP
    sheet = Image.new("RGB", (across + 2 * _MARGIN, top + rows * (height + LINE + _GAP) - _GAP + _MARGIN), PAPER)
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, _MARGIN), lines[0], INK, font)
    draw.text((_MARGIN, _MARGIN + LINE), lines[1], FAINT, font)
    for index, (label, image) in enumerate(cells):
        x = _MARGIN + index % columns * (width + _GAP)
        y = top + index // columns * (height + LINE + _GAP)
        draw.text((x, y), drawable(label), INK, small)
        sheet.paste(image.convert("RGB").resize((width, height), Image.Resampling.NEAREST), (x, y + LINE))
    return sheet


def _columns(count: int, width: int, height: int) -> int:
    """Choose the number of columns: close to the wanted aspect ratio, with few empty cells."""

    def penalty(columns: int) -> float:
        rows = -(-count // columns)
        shape = columns * width / (rows * height) / _WIDE
        return max(shape, 1 / shape) + (rows * columns - count) / count

    return min(range(1, count + 1), key=penalty)
