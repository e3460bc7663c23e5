"""What is free, what is taken, and how large a tile may be."""

from pathlib import Path

import pytest
import torch
from torch import nn

from mapsr_cli.inference import memory
from mapsr_cli.inference.chunks import Chunks
from mapsr_cli.inference.memory import LIVE, bytes_per_pixel, choose_tile, free_memory
from mapsr_cli.networks import Compact, CompactConfig


def test_free_memory_is_some_of_what_there_is() -> None:
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < free_memory("cpu") < total


def test_a_container_s_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert memory._left_in_group(tmp_path) is None
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("300\n")
    assert memory._left_in_group(tmp_path) is None
    (tmp_path / "memory.max").write_text("1000\n")
    assert memory._left_in_group(tmp_path) == 700
    monkeypatch.setattr(memory, "_left_in_group", lambda: 700)
    assert free_memory("cpu") == 700
    monkeypatch.setattr(memory, "_left_in_group", lambda: None)
    monkeypatch.setattr(memory, "_available", lambda: None)
    assert free_memory("cpu") == memory.FALLBACK


@pytest.mark.parametrize("channels", [8, 64])
def test_what_a_network_takes(channels: int) -> None:
    network = Compact(CompactConfig(4, channels, 1))
    expected = LIVE * 4 * max(channels, 48)
    assert bytes_per_pixel(network, torch.empty(3, 1, 1)) == expected
    assert not any(module._forward_hooks for module in network.modules())
    assert bytes_per_pixel(nn.Identity(), torch.empty(3, 1, 1)) == LIVE * 12


def test_tiles_follow_memory() -> None:
    sides = [choose_tile(free, 1152.0, 18, "cpu") for free in (0, 1 << 28, 1 << 29, 1 << 30, 1 << 40)]
    assert sides == [32, 205, 305, 446, 768]
    assert choose_tile(1 << 40, 1152.0, 18, "cuda:0") == 1024
    assert all(
        (side + 36) ** 2 * 1152 <= (free >> 2)
        for side, free in zip(sides[1:4], (1 << 28, 1 << 29, 1 << 30), strict=True)
    )


def test_chunks() -> None:
    whole = torch.rand(3, 50, 20)
    chunks = Chunks([slice(0, 16), slice(16, 32), slice(32, 50)])
    for rows in (slice(0, 10), slice(10, 40), slice(40, 50)):
        for cols in (slice(0, 7), slice(7, 20)):
            chunks.write(rows, cols, 20, whole[:, rows, cols])
    for rows in (slice(0, 50), slice(3, 16), slice(16, 17), slice(15, 33)):
        assert torch.equal(chunks.read(rows), whole[:, rows])
    chunks.drop_before(31)
    assert torch.equal(chunks.read(slice(16, 50)), whole[:, 16:])
    chunks.drop_before(32)
    with pytest.raises(KeyError):
        chunks.read(slice(31, 50))
