"""Draw several tools' results side by side, in an order that does not tell which is which, and the key to that order.

    python -m tools.blind_sheet --results bicubic=DIR --results natural-x4-affgan=DIR --sheet sheet.jpg --key key.csv

Each folder holds pictures of the same names and sizes. A row of the sheet is a picture, of which the middle is shown,
each pixel as 2×2; its columns are lettered, and which tool a letter stands for is drawn anew for each row. Judge the
sheet first and open the key afterwards.
"""

import argparse
import csv
import random
from collections.abc import Mapping, Sequence
from io import BytesIO, StringIO
from pathlib import Path
from string import ascii_uppercase

from PIL import Image, ImageDraw

from mapsr_cli.errors import ImageError
from mapsr_cli.evaluation.protocol import images_in
from mapsr_cli.files import write_bytes
from mapsr_cli.views.map_frame import INK, LINE, PAPER, drawable, fonts

SIDE = 112
"""Pixels a side of what is shown of a picture."""
TIMES = 2
GAP = 6
QUALITY = 76
"""Of the JPEG: a sheet of twelve rows and six columns stays below 1 MB."""

Key = dict[str, list[str]]
"""The tools of each picture, from column A on."""


def shuffled(pictures: Sequence[str], tools: Sequence[str], seed: int | None = None) -> Key:
    """Draw an order of the tools for each picture; without a seed, another one each time."""
    draw = random.Random(seed)
    return {picture: draw.sample(tools, len(tools)) for picture in pictures}


def middle(path: Path, side: int) -> Image.Image:
    """Read the middle of a picture. Raises ImageError where the picture is missing or smaller."""
    try:
        with Image.open(path) as image:
            rgb = image.convert("RGB")
    except OSError as error:
        raise ImageError(f"{path} cannot be read: {error}") from error
    if min(rgb.size) < side:
        raise ImageError(f"{path} is {rgb.width}×{rgb.height}: {side}×{side} are shown")
    left, top = (rgb.width - side) // 2, (rgb.height - side) // 2
    return rgb.crop((left, top, left + side, top + side))


def draw_blind(folders: Mapping[str, Path], key: Key, side: int = SIDE) -> Image.Image:
    """Draw a row of each picture of the key, its tools in the key's order. Raises ImageError as `middle` does."""
    _, small = fonts()
    cell, columns = TIMES * side, len(folders)
    size = (GAP + columns * (cell + GAP), len(key) * (LINE + cell) + GAP)
    sheet = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, (picture, tools) in enumerate(key.items()):
        top = row * (LINE + cell)
        for column, tool in enumerate(tools):
            left = GAP + column * (cell + GAP)
            draw.text((left, top + 3), drawable(f"{Path(picture).stem} {ascii_uppercase[column]}"), INK, small)
            part = middle(folders[tool] / picture, side)
            sheet.paste(part.resize((cell, cell), Image.Resampling.NEAREST), (left, top + LINE))
    return sheet


def written(key: Key) -> str:
    """Format the key as CSV: a line of each picture, its tools from column A on."""
    text = StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(["picture", *ascii_uppercase[: len(next(iter(key.values())))]])
    lines.writerows([Path(picture).stem, *tools] for picture, tools in key.items())
    return text.getvalue()


def _results(text: str) -> tuple[str, Path]:
    name, separator, folder = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=FOLDER")
    return name, Path(folder)


def main() -> None:
    """Draw the sheet and write the key."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=_results, action="append", required=True, help="NAME=FOLDER, of each tool")
    parser.add_argument("--sheet", type=Path, required=True, help="JPEG to write")
    parser.add_argument("--key", type=Path, required=True, help="CSV to write")
    args = parser.parse_args()
    folders = dict(args.results)
    pictures = [path.name for path in images_in(next(iter(folders.values())))]
    key = shuffled(pictures, list(folders))
    data = BytesIO()
    draw_blind(folders, key).save(data, "JPEG", quality=QUALITY)
    write_bytes(args.sheet, data.getvalue())
    write_bytes(args.key, written(key).encode())


if __name__ == "__main__":
    main()
