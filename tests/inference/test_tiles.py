import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mapsr_cli.inference.tiles import run_tiled, tiles
from mapsr_cli.networks import Compact, CompactConfig


@given(height=st.integers(1, 50), width=st.integers(1, 50), size=st.integers(1, 60), halo=st.integers(0, 9))
def test_tiles_cover_everything_once(height: int, width: int, size: int, halo: int) -> None:
    count = torch.zeros(height, width)
    for tile in tiles(height, width, size, halo):
        count[tile.rows, tile.cols] += 1
        assert tile.outer_rows.start == max(tile.rows.start - halo, 0)
        assert tile.outer_cols.stop == min(tile.cols.stop + halo, width)
    assert torch.equal(count, torch.ones(height, width))


@settings(deadline=None, max_examples=25)
@given(height=st.integers(1, 40), width=st.integers(1, 40), size=st.integers(1, 45))
def test_tiled_is_untiled(height: int, width: int, size: int) -> None:
    torch.manual_seed(0)
    network = Compact(CompactConfig(scale=2, channels=8, blocks=1))
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    x = torch.rand(1, 3, height, width)
    seen: list[tuple[int, int]] = []
    with torch.inference_mode():
        tiled = run_tiled(network, x, 2, size, network.reach, lambda done, total: seen.append((done, total)))
        assert (tiled - network(x)).abs().max() <= 1e-5
    assert seen[-1] == (len(seen), len(seen))


def test_a_halo_too_small_would_show() -> None:
    """The property above can fail: one pixel less of halo and seams appear."""
    torch.manual_seed(0)
    network = Compact(CompactConfig(scale=2, channels=8, blocks=1))
    torch.nn.init.normal_(network.tail.weight, std=0.1)
    x = torch.rand(1, 3, 24, 24)
    with torch.inference_mode():
        seamed = run_tiled(network, x, 2, 8, network.reach - 2, lambda done, total: None)
        assert (seamed - network(x)).abs().max() > 1e-5


@pytest.mark.parametrize("size", [5, 16, 384])
def test_shape(size: int) -> None:
    out = run_tiled(Compact(CompactConfig(4, 8, 1)), torch.rand(2, 3, 16, 11), 4, size, 4, lambda done, total: None)
    assert out.shape == (2, 3, 64, 44)
