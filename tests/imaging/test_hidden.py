"""Colour under transparent pixels."""

import torch

from mapsr_cli.imaging import spread
from mapsr_cli.imaging.hidden import REACH


def test_what_shows_stays_and_what_is_near_takes_its_colour() -> None:
    levels = torch.full((3, 40, 40), 9, dtype=torch.uint8)
    alpha = torch.zeros(1, 40, 40, dtype=torch.uint8)
    levels[:, 10:20, 10:20], alpha[:, 10:20, 10:20] = 200, 1
    out = spread(levels, alpha)
    near = slice(10 - REACH, 20 + REACH)
    assert (out[:, near, near] == 200).all()
    out[:, near, near] = 9
    assert (out == 9).all()


def test_two_colours_meet() -> None:
    levels = torch.zeros(3, 1, 9, dtype=torch.uint8)
    alpha = torch.zeros(1, 1, 9, dtype=torch.uint8)
    levels[:, :, 0], levels[:, :, 8], alpha[:, :, (0, 8)] = 100, 200, 255
    assert spread(levels, alpha)[0, 0].tolist() == [100, 100, 100, 100, 150, 200, 200, 200, 200]


def test_nothing_to_do() -> None:
    levels = torch.randint(0, 65536, (1, 5, 5)).to(torch.uint16)
    for value in (0, 65535):
        alpha = torch.full((1, 5, 5), value).to(torch.uint16)
        assert torch.equal(spread(levels, alpha), levels)
    alpha[0, 2, 2] = 0
    kept = spread(levels, alpha).int() == levels.int()
    assert kept.sum() >= 24
