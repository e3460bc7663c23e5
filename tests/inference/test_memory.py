"""What is free, what is taken, and how large a tile may be."""

import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from mapsr_cli.inference import memory
from mapsr_cli.inference.chunks import Chunks
from mapsr_cli.inference.memory import (
    LEAST_REDUCED_TILE,
    LIVE,
    bytes_per_pixel,
    choose_tile,
    free_memory,
    reduced_tile,
)
from mapsr_cli.networks import Compact, CompactConfig


def test_free_memory_is_some_of_what_there_is() -> None:
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < free_memory("cpu") < total


def test_a_container_s_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    none = tmp_path / "none"
    assert memory._left_in_group(tmp_path, none) is None
    (tmp_path / "memory.max").write_text("max\n")
    (tmp_path / "memory.current").write_text("300\n")
    assert memory._left_in_group(tmp_path, none) is None
    (tmp_path / "memory.max").write_text("1000\n")
    assert memory._left_in_group(tmp_path, none) == 700
    (tmp_path / "memory.stat").write_text("anon 100\ninactive_file 150\n")
    assert memory._left_in_group(tmp_path, none) == 850
    monkeypatch.setattr(memory, "_left_in_group", lambda: 700)
    assert free_memory("cpu") == 700
    monkeypatch.setattr(memory, "_left_in_group", lambda: None)
    monkeypatch.setattr(memory, "_available", lambda: None)
    assert free_memory("cpu") == memory.FALLBACK
    monkeypatch.setattr(memory, "_left_of_limit", lambda: -5)
    assert free_memory("cpu") == 0


V1 = "9:name=systemd:/\n4:cpu,memory:{}\n0::/\n"
V2 = "0::{}\n"


@pytest.mark.parametrize(("lines", "root"), [(V2, "."), (V1, "memory")])
@pytest.mark.parametrize(("own", "limits", "left"), [
    ("/user/me", {"user/me": (500, 100)}, 400),
    ("/user/me", {"user/me": (5000, 100), "user": (900, 600)}, 300),
    ("/user/me", {"user/other": (50, 10)}, None),
    ("/system/of/the/host", {".": (800, 100)}, 700),
    ("/../outside", {".": (800, 100)}, 700),
])  # fmt: skip
def test_limits_of_the_groups_around_the_process(
    lines: str, root: str, own: str, limits: dict[str, tuple[int, int]], left: int | None, tmp_path: Path
) -> None:
    names = memory.V2 if lines == V2 else memory.V1
    (tmp_path / "own").write_text(lines.format(own))
    for place, values in limits.items():
        folder = tmp_path / "groups" / root / place
        folder.mkdir(parents=True, exist_ok=True)
        for name, value in zip(names, values, strict=False):
            (folder / name).write_text(f"{value}\n")
    assert memory._left_in_group(tmp_path / "groups", tmp_path / "own") == left


def test_a_limit_of_the_address_space_counts() -> None:
    """As `ulimit -v` sets it."""
    script = "from mapsr_cli.inference.memory import free_memory; print(free_memory('cpu'))"
    limited = f'ulimit -v 3000000 && exec {sys.executable} -c "{script}"'
    done = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 3_000_000 * 1024


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


@given(st.integers(0, 10**10), st.integers(1, 10**7), st.floats(1, 10**5), st.integers(0, 99))
def test_a_tile_fits_beside_its_row(room: int, row: int, per_pixel: float, halo: int) -> None:
    side = reduced_tile(room, row, per_pixel, halo)

    def taken(side: int) -> float:
        return row * side + per_pixel * (side + 2 * halo) ** 2

    assert side == LEAST_REDUCED_TILE or taken(side) <= room * (1 + 1e-9)
    assert taken(side + 1) > room * (1 - 1e-9)
