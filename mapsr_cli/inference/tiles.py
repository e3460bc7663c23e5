"""A network over an image in tiles, equal to the network over the whole.

Each tile is run with as much of its surroundings (the halo) as an output pixel depends on, so that no seam can appear:
only the order of floating-point sums differs.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

AUTO_TILE = 384
"""LR pixels a side: features of one tile stay around 40 MB at 64 channels."""


@dataclass(frozen=True)
class Tile:
    """LR rows and columns: of the tile, and of the tile with its halo."""

    rows: slice
    cols: slice
    outer_rows: slice
    outer_cols: slice


def tiles(height: int, width: int, size: int, halo: int) -> Iterator[Tile]:
    """Cover an LR image of height × width by tiles of at most `size`, each with a halo cut at the image's border."""
    for top in range(0, height, size):
        for left in range(0, width, size):
            rows, outer_rows = _span(top, size, halo, height)
            cols, outer_cols = _span(left, size, halo, width)
            yield Tile(rows, cols, outer_rows, outer_cols)


def _span(start: int, size: int, halo: int, length: int) -> tuple[slice, slice]:
    end = min(start + size, length)
    return slice(start, end), slice(max(start - halo, 0), min(end + halo, length))


def _scaled(span: slice, scale: int, origin: int = 0) -> slice:
    return slice(scale * (span.start - origin), scale * (span.stop - origin))


def run_tiled(
    network: Callable[[Tensor], Tensor],
    x: Tensor,
    scale: int,
    size: int,
    halo: int,
    progress: Callable[[int, int], None],
) -> Tensor:
    """network(x) for x [N, C, h, w] → [N, C', s·h, s·w], in tiles of `size` LR pixels. Reports (tiles done, tiles)."""
    plan = list(tiles(x.shape[-2], x.shape[-1], size, halo))
    out: Tensor | None = None
    for done, tile in enumerate(plan, 1):
        y = network(x[..., tile.outer_rows, tile.outer_cols])
        if len(plan) == 1:
            progress(1, 1)
            return y
        if out is None:
            out = y.new_empty(*y.shape[:2], scale * x.shape[-2], scale * x.shape[-1])
        inner = y[
            ..., _scaled(tile.rows, scale, tile.outer_rows.start), _scaled(tile.cols, scale, tile.outer_cols.start)
        ]
        out[..., _scaled(tile.rows, scale), _scaled(tile.cols, scale)] = inner
        progress(done, len(plan))
    return torch.empty(0) if out is None else out
