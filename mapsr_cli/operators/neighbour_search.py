"""The last few coordinates of a window: steps of one level of up to three pixels at once, all of them tried.

At small ratios rounding moves A y most (0.16 levels at ×1.5), and one pixel's step moves a coordinate by almost half a
level. No single step may help then, where two or three together do. Few pixels and few coordinates are involved, so
every combination can be looked at.
"""

from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, product

import torch
from torch import Tensor

from mapsr_cli.operators.window_problem import WITHIN, WindowProblem


@dataclass(frozen=True)
class Search:
    """How far it is looked."""

    pixels: int
    """Pixels that are combined: those that a coordinate depends on most."""
    together: tuple[range, ...]
    """Pixels that step at once; more where fewer do not help."""
    few: int
    """Windows with more coordinates wrong are left alone: what is wrong there is more than rounding."""


OF_SAMPLES = Search(pixels=25, together=(range(1, 3), range(3, 4)), few=40)
"""1,250 combinations, then 18,400, of which each affects a few samples."""
OF_BLOCKS = Search(pixels=24, together=(range(1, 3),), few=4)
"""1,152 combinations, of which each affects hundreds of coordinates."""


@lru_cache(maxsize=4)
def _steps(pixels: int, together: range, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return every change by −1 or 1 of so many pixels at once: [combinations, pixels]."""
    rows = []
    for count in together:
        for chosen in combinations(range(pixels), count):
            for signs in product((-1.0, 1.0), repeat=count):
                row = [0.0] * pixels
                for at, sign in zip(chosen, signs, strict=True):
                    row[at] = sign
                rows.append(row)
    return torch.tensor(rows, dtype=dtype, device=device)


def search_neighbours(problem: WindowProblem, changes: Tensor) -> None:
    """Improve whole changes [B, C, H, W] in place, in windows where few coordinates are wrong.

    For each such coordinate in turn, the best combination of steps is taken if it makes fewer coordinates wrong, or as
    many by less.
    """
    search = OF_SAMPLES if problem.a.evidence.block == 1 else OF_BLOCKS
    wrong = (problem.excess(problem.a.coordinates(changes)) != 0).sum(WITHIN)
    for window in ((wrong > 0) & (wrong <= search.few)).nonzero()[:, 0]:
        part, change = problem.select(window[None]), changes[window][None]
        for _ in range(2 * search.few):
            excess = part.excess(part.a.coordinates(change))
            candidates = excess.flatten().nonzero()[:, 0]
            found = (
                _improve(part, change, int(at), search.pixels, count) for count in search.together for at in candidates
            )
            if not any(found):
                break
        changes[window] = change[0]


def _improve(part: WindowProblem, change: Tensor, coordinate: int, most: int, together: range) -> bool:
    """Take the best combination of `most` pixels around one coordinate of one window; return whether it helps.

    `change` [1, C, H, W] is changed in place. Coordinates that no combination can move over their bounds are left out.
    """
    seen = part.offset + part.a.coordinates(change)
    spot = torch.zeros_like(seen)
    spot.view(-1)[coordinate] = 1.0
    movable = part.ceiling > part.floor
    weights = (part.a.adjoint(spot).abs() * movable).flatten()
    pixels = weights.topk(min(most, len(weights))).indices
    units = torch.zeros(len(pixels), change.numel(), dtype=change.dtype, device=change.device)
    units[torch.arange(len(pixels)), pixels] = 1.0
    response = part.a.coordinates(units.view(len(pixels), *change.shape[1:])).flatten(1)
    now, low, high = (t.expand_as(seen).flatten() for t in (seen, part.low, part.high))
    reach = response.abs().topk(min(together.stop - 1, len(pixels)), dim=0).values.sum(0)
    at_risk = ((reach > 0) & ((now - reach < low) | (now + reach > high))).nonzero()[:, 0]
    now, low, high = now[at_risk], low[at_risk], high[at_risk]
    steps = _steps(len(pixels), together, change.dtype, change.device)
    after = now + steps @ response[:, at_risk]
    excess = after - torch.clamp(after, low, high)
    before = now - torch.clamp(now, low, high)
    moved = change.flatten()[pixels] + steps
    allowed = ((moved >= part.floor.flatten()[pixels]) & (moved <= part.ceiling.flatten()[pixels])).all(1)
    count, size = (excess != 0).sum(1), excess.square().sum(1)
    count = torch.where(allowed, count, len(at_risk) + 1)
    fewest = count == count.min()
    best = int(torch.where(fewest, size, torch.inf).argmin())
    was = (int((before != 0).sum()), float(before.square().sum()))
    if (int(count[best]), float(size[best])) >= was:
        return False
    change.view(-1)[pixels] += steps[best]
    return True
