"""Colour under fully transparent pixels: what nobody sees must not bleed into what everybody sees."""

import torch
from torch import Tensor
from torch.nn import functional

REACH = 8
"""Pixels around what shows that are given its colour: beyond them, no filter of ours still carries a visible amount."""


def spread(levels: Tensor, alpha: Tensor) -> Tensor:
    """Continue the visible colours under the transparent pixels next to them.

    levels [C, h, w] whole levels, alpha [1, h, w]; colours where alpha > 0 stay as they are, colours within REACH
    pixels of one become the mean of their already coloured neighbours, all others (that nothing visible comes near)
    stay too.
    """
    known = (alpha.int() > 0).float()[None]
    if bool(known.all()) or not bool(known.any()):
        return levels
    colours = levels.float()[None] * known
    ring = torch.ones(1, 1, 3, 3, dtype=torch.float32, device=levels.device)
    for _ in range(REACH):
        neighbours = functional.conv2d(known, ring, padding=1)
        sums = functional.conv2d(colours.transpose(0, 1), ring, padding=1).transpose(0, 1)
        reached = (known == 0) & (neighbours > 0)
        colours = torch.where(reached, sums / neighbours.clamp(min=1), colours)
        known = torch.where(reached, 1.0, known)
    return torch.where(known[0] > 0, colours[0].round(), levels.float()).to(levels.dtype)
