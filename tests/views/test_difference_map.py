"""The map says what differs, where, and by how much."""

import numpy as np
import pytest
import torch

from mapsr_cli.imaging import Picture
from mapsr_cli.views.difference_map import COLOURS, draw_difference
from mapsr_cli.views.map_frame import Caption

CAPTION = Caption("hr.png against lr.png", "some differ", "axes: pixels of lr.png")


def colours_in(difference: torch.Tensor, peak: int = 255) -> list[bool]:
    """Which of the classes' colours the map shows more of than the legend's patches take."""
    dtype = torch.uint8 if peak == 255 else torch.uint16
    original = Picture(torch.full((3, *difference.shape[1:]), 90).to(dtype), peak)
    pixels = np.array(draw_difference(difference, original, CAPTION))
    patch = 15 * 15
    return [int((pixels == colour).all(axis=2).sum()) > patch for colour in COLOURS]


@pytest.mark.parametrize(("levels", "index"), [(1, 0), (-2, 1), (3, 2), (4, 2), (-8, 3), (9, 4), (40000, 4)])
def test_each_size_of_error_has_its_colour(levels: int, index: int) -> None:
    difference = torch.zeros(3, 30, 40, dtype=torch.int32)
    difference[1, 5, 7] = levels
    assert colours_in(difference, 65535) == [i == index for i in range(len(COLOURS))]


def test_the_worst_sample_gives_the_colour() -> None:
    difference = torch.zeros(4, 30, 40, dtype=torch.int32)
    difference[:, 5, 7] = torch.tensor([1, -9, 2, 0])
    assert colours_in(difference) == [False] * 4 + [True]


@pytest.mark.parametrize("size", [(1, 1), (3, 900), (640, 500), (2000, 3300)])
def test_one_wrong_pixel_is_seen_in_a_map_of_any_size(size: tuple[int, int]) -> None:
    original = Picture(torch.zeros(1, *size, dtype=torch.uint8))
    maps = []
    for wrong in (0, 1):
        difference = torch.zeros(1, *size, dtype=torch.int32)
        difference[0, size[0] // 2, size[1] // 2] = wrong
        maps.append(np.array(draw_difference(difference, original, CAPTION)).astype(int))
    assert max(maps[0].shape) < 1900
    assert (maps[0] != maps[1]).any(axis=2).sum() >= 9 if min(size) > 1 else (maps[0] != maps[1]).any()


def test_names_that_pillow_s_font_does_not_know() -> None:
    caption = Caption("名前.png × ü", "x", "y")
    assert caption.lines() == ("??.png x u", "x", "y")
    draw_difference(torch.zeros(1, 4, 4, dtype=torch.int32), Picture(torch.zeros(1, 4, 4, dtype=torch.uint8)), caption)
