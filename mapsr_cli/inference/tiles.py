"""A network over an image in tiles, equal to the network over the whole.

Each tile is run with as much of its surroundings (the halo) as an output pixel depends on, so that no seam can appear:
only the order of floating-point sums differs. Where memory does not suffice, the image is begun anew in tiles half as
large: all tiles of an image have one size, which is enough to make its last bits again.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from mapsr_cli.errors import MapsrError
from mapsr_cli.inference.memory import LEAST_TILE, MORE, is_out_of_memory, release

TileSize = int | tuple[int, ...] | None
"""LR pixels a side of a tile; None chooses by free memory; 0 is the whole image at once. Several: of each run of the
network in turn, the last one also of all that follow."""
Put = Callable[[slice, slice, Tensor], None]
"""Takes HR rows, HR columns and what belongs there [N, C, rows, cols]."""
Beside = Callable[[slice, slice], tuple[Tensor, ...]]
"""Gives what a network takes beside LR rows and columns of x."""


@dataclass(frozen=True)
class Tile:
    """LR rows and columns: of the tile, and of the tile with its halo."""

    rows: slice
    cols: slice
    outer_rows: slice
    outer_cols: slice


@dataclass(frozen=True)
class Grid:
    """How an LR image of height × width is cut."""

    height: int
    width: int
    halo: int
    period: int = 1
    """A tile with its halo starts at a multiple of it."""

    def tiles(self, size: int) -> list[Tile]:
        """Cut the whole image into tiles of at most `size`, each with a halo that ends at the image's border."""
        rows, cols = (
            [self._span(start, min(start + size, length), length) for start in range(0, length, size)]
            for length in (self.height, self.width)
        )
        return [Tile(*inner, *outer) for inner, outer in (zip(r, c, strict=True) for r in rows for c in cols)]

    def _span(self, start: int, end: int, length: int) -> tuple[slice, slice]:
        outer = max(start - self.halo, 0)
        return slice(start, end), slice(outer - outer % self.period, min(end + self.halo, length))


def _shifted(span: slice, by: int) -> slice:
    return slice(span.start + by, span.stop + by)


def _nothing(rows: slice, cols: slice) -> tuple[Tensor, ...]:
    return ()


def run_tiled(
    network: Callable[..., Tensor],
    x: Tensor,
    hr_range: Callable[[slice], slice],
    size: int,
    halo: int,
    put: Put,
    progress: Callable[[int, int], None],
    beside: Beside = _nothing,
    period: int = 1,
) -> int:
    """Run network(x) for x [N, C, h, w] in tiles of `size` LR pixels, handing each to `put`; report (done, total).

    The network is called with a part of x, and with what `beside` gives for it (noise maps). `hr_range` gives the HR
    rows (or columns) of a range of LR ones.
    Returns the size of the tiles: less than `size` where memory did not suffice for that; `put` then got some places
    twice, the second time from all the smaller ones. Raises MapsrError where it does not suffice for the smallest
    either.
    """
    grid, done = Grid(x.shape[-2], x.shape[-1], halo, period), 0
    tiles = grid.tiles(size)
    while done < len(tiles):
        tile = tiles[done]
        inputs = x[..., tile.outer_rows, tile.outer_cols], *beside(tile.outer_rows, tile.outer_cols)
        y = _attempt(network, inputs)
        if y is None:
            size, done = _halved(size), 0
            tiles = grid.tiles(size)
            continue
        rows = hr_range(_shifted(tile.rows, -tile.outer_rows.start))
        cols = hr_range(_shifted(tile.cols, -tile.outer_cols.start))
        put(hr_range(tile.rows), hr_range(tile.cols), y[..., rows, cols])
        done += 1
        progress(done, len(tiles))
    return size


def _attempt(network: Callable[..., Tensor], inputs: tuple[Tensor, ...]) -> Tensor | None:
    """Run network(*inputs); None where memory does not suffice."""
    try:
        return network(*inputs)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    release(str(inputs[0].device))  # only now: the exception held on to what the network had made
    return None


def _halved(size: int) -> int:
    if size <= LEAST_TILE:
        raise MapsrError(f"out of memory even in tiles of {size} pixels", MORE)
    return max(size // 2, LEAST_TILE)
