"""Sheets whose columns are in a random order, and the key to it."""

import csv
from pathlib import Path

import pytest
from PIL import Image

from mapsr_cli.errors import ImageError
from mapsr_cli.views.map_frame import LINE
from tools.blind_sheet import GAP, TIMES, draw_blind, middle, shuffled, written

COLOURS = {"red": (255, 0, 0), "green": (0, 255, 0), "blue": (0, 0, 255)}
PICTURES = [f"{n}.png" for n in range(6)]
SIDE = 8


@pytest.fixture
def folders(tmp_path: Path) -> dict[str, Path]:
    """Of each tool, pictures of its colour that are white at the edge."""
    for name, colour in COLOURS.items():
        (tmp_path / name).mkdir()
        for picture in PICTURES:
            image = Image.new("RGB", (SIDE + 4, SIDE + 6), "white")
            image.paste(colour, (2, 3, 2 + SIDE, 3 + SIDE))
            image.save(tmp_path / name / picture)
    return {name: tmp_path / name for name in COLOURS}


def test_the_key_says_what_each_cell_shows(folders: dict[str, Path]) -> None:
    key = shuffled(PICTURES, list(folders), seed=1)
    sheet = draw_blind(folders, key, SIDE)
    cell = TIMES * SIDE
    for row, line in enumerate(csv.DictReader(written(key).splitlines())):
        assert line["picture"] == str(row)
        for column, letter in enumerate("ABC"):
            left, top = GAP + column * (cell + GAP), LINE + row * (LINE + cell)
            corners = ((left, top), (left + cell - 1, top + cell - 1))
            assert {sheet.getpixel(corner) for corner in corners} == {COLOURS[line[letter]]}


def test_each_row_has_all_tools_in_an_order_of_its_own(folders: dict[str, Path]) -> None:
    key = shuffled(PICTURES, list(folders), seed=1)
    assert all(sorted(tools) == sorted(COLOURS) for tools in key.values())
    assert len({tuple(tools) for tools in key.values()}) > 2
    assert key == shuffled(PICTURES, list(folders), seed=1)
    assert key != shuffled(PICTURES, list(folders), seed=2)


def test_a_picture_that_is_missing_or_too_small_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(ImageError, match=r"9\.png cannot be read"):
        middle(folders["red"] / "9.png", SIDE)
    with pytest.raises(ImageError, match=r"12×14: 16×16 are shown"):
        middle(folders["red"] / PICTURES[0], 16)
