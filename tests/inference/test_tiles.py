from collections.abc import Callable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from mapsr_cli.errors import MapsrError
from mapsr_cli.inference.tiles import Grid, run_tiled
from mapsr_cli.networks import Compact, CompactConfig


def silent(done: int, total: int) -> None:
    pass


def whole(
    network: Callable[[Tensor], Tensor],
    x: Tensor,
    scale: int,
    size: int,
    halo: int,
    progress: Callable[[int, int], None] = silent,
) -> tuple[Tensor, int]:
    """run_tiled's pieces put together, and the size it ended with."""
    out = torch.full((x.shape[0], 3, scale * x.shape[2], scale * x.shape[3]), torch.nan)

    def put(rows: slice, cols: slice, y: Tensor) -> None:
        out[..., rows, cols] = y

    def hr_range(part: slice) -> slice:
        return slice(scale * part.start, scale * part.stop)

    return out, run_tiled(network, x, hr_range, size, halo, put, progress)


def small_network() -> Compact:
    torch.manual_seed(0)
    network = Compact(CompactConfig(scale=2, channels=8, blocks=1)).requires_grad_(False)
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    return network


@given(height=st.integers(1, 50), width=st.integers(1, 50), size=st.integers(1, 60), halo=st.integers(0, 9))
def test_tiles_cover_everything_once(height: int, width: int, size: int, halo: int) -> None:
    count = torch.zeros(height, width)
    for tile in Grid(height, width, halo).tiles(size):
        count[tile.rows, tile.cols] += 1
        assert tile.outer_rows.start == max(tile.rows.start - halo, 0)
        assert tile.outer_cols.stop == min(tile.cols.stop + halo, width)
    assert torch.equal(count, torch.ones(height, width))


@given(length=st.integers(1, 50), size=st.integers(1, 60), halo=st.integers(0, 9), period=st.integers(1, 8))
def test_tiles_start_at_multiples_of_the_period(length: int, size: int, halo: int, period: int) -> None:
    for tile in Grid(length, length, halo, period).tiles(size):
        assert tile.outer_rows.start % period == 0
        assert max(tile.rows.start - halo, 0) - tile.outer_rows.start in range(period)


@settings(deadline=None, max_examples=25)
@given(height=st.integers(1, 40), width=st.integers(1, 40), size=st.integers(1, 45))
def test_tiled_is_untiled(height: int, width: int, size: int) -> None:
    network, x = small_network(), torch.rand(1, 3, height, width)
    seen: list[tuple[int, int]] = []
    tiled, used = whole(network, x, 2, size, network.receptive_field, lambda done, total: seen.append((done, total)))
    assert (tiled - network(x)).abs().max() <= 1e-5
    assert used == size
    assert seen[-1] == (len(seen), len(seen))


def test_a_halo_too_small_would_show() -> None:
    """The property above can fail: one pixel less of halo and seams appear."""
    network, x = small_network(), torch.rand(1, 3, 24, 24)
    seamed, _ = whole(network, x, 2, 8, network.receptive_field - 2)
    assert (seamed - network(x)).abs().max() > 1e-5


class Cramped:
    """A network on a device that has room for so many pixels only, and from a certain call on for fewer."""

    def __init__(self, network: Compact, room: int, error: Exception) -> None:
        self.network, self.room, self.error, self.calls = network, room, error, 0

    def __call__(self, x: Tensor) -> Tensor:
        self.calls += 1
        if x.shape[-1] * x.shape[-2] > self.room:
            raise self.error
        y: Tensor = self.network(x)
        return y


OUT_OF_MEMORY = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    MemoryError(),
)


@pytest.mark.parametrize("error", OUT_OF_MEMORY)
@pytest.mark.parametrize(("size", "used"), [(300, 75), (70, 70), (140, 70)])
def test_out_of_memory_halves_the_tiles(error: Exception, size: int, used: int) -> None:
    network, x = small_network(), torch.rand(1, 3, 160, 90)
    tiled, found = whole(Cramped(network, 100 * 100, error), x, 2, size, network.receptive_field)
    assert found == used
    assert (tiled - network(x)).abs().max() <= 1e-5


def test_no_tile_is_larger_than_the_others_where_memory_ran_out_midway() -> None:
    """What a report records, the last size, is enough to make the same bits again."""
    network, x = small_network(), torch.rand(1, 3, 160, 90)
    cramped = Cramped(network, 100 * 100, MemoryError())
    shapes = []

    def shrinking(part: Tensor) -> Tensor:
        cramped.room = 60 * 60 if cramped.calls >= 1 else cramped.room
        y = cramped(part)
        shapes.append(part.shape[-2:])
        return y

    tiled, used = whole(shrinking, x, 2, 70, network.receptive_field)
    again, _ = whole(network, x, 2, used, network.receptive_field)
    assert (used, max(shapes)[0] > 60) == (35, True)
    assert torch.equal(tiled, again)


def test_where_even_the_smallest_tile_is_too_much() -> None:
    network = small_network()
    with pytest.raises(MapsrError, match="out of memory even in tiles of 32"):
        whole(Cramped(network, 100, OUT_OF_MEMORY[0]), torch.rand(1, 3, 200, 200), 2, 512, network.receptive_field)


def test_other_errors_are_not_taken_for_it() -> None:
    network = small_network()
    with pytest.raises(RuntimeError, match="shape"):
        whole(
            Cramped(network, 100, RuntimeError("wrong shape")),
            torch.rand(1, 3, 20, 20),
            2,
            512,
            network.receptive_field,
        )
