"""How much memory there is, what a network takes, and what to do when there was too little."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path
from traceback import clear_frames
from typing import TypeVar

import torch
from torch import Tensor, nn

from mapsr_cli.errors import MapsrError

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

Done = TypeVar("Done")

LIVE = 4.5
"""Largest activations that are alive at once, as a multiple of the largest one: measured 4.1 on Compact."""
SHARE = 0.25
"""Of free memory, what one tile may take."""
LEAST_TILE = 32
MOST_TILE = {"cpu": 768}
MOST_TILE_ELSEWHERE = 1024
"""LR pixels a side; beyond them the halo costs little."""
FALLBACK = 4 << 30
"""Bytes taken to be free where the system does not say."""
MORE = "--device cpu may have more; or close other programs, or cut the picture"
"""What to do where there was too little."""
BOUND = 1_000_000_000, 16
"""Bytes that upscaling takes at most on a CPU: so many, and so many more for each HR pixel."""
OWN = 650_000_000
"""Of them, what the program itself takes, with strips, buffers and what allocator and oneDNN keep of a tile."""
LEAST_REDUCED_TILE = 128
"""LR pixels a side of a tile whose row is used up at once, at least: below, halos cost more than the network."""
_PROBE = 32


def free_memory(device: str) -> int:
    """Measure how many bytes could be allocated on a device now."""
    if device.startswith("cuda"):
        free, _ = torch.cuda.mem_get_info(device)
        return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    if device == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    limits = [left for left in (_available(), _left_in_group(), _left_of_limit()) if left is not None]
    return max(min(limits, default=FALLBACK), 0)


def _available() -> int | None:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration, ValueError):
        return None


def _left_in_group(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int | None:
    """Read what this process's control group and those around it may still take; None without a limit.

    What the page cache could give back is not counted as taken.
    """
    left = [
        int(limit) - int(usage) + reclaimable
        for folder, version in _memory_groups(root, own)
        if (limit := _text(folder / version[0])).isdecimal() and (usage := _text(folder / version[1])).isdecimal()
        for reclaimable in [_statistic(folder / "memory.stat", version[2])]
    ]
    return min(left, default=None)


V1 = "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"
V2 = "memory.max", "memory.current", "inactive_file"
"""Names of a control group's limit, usage and reclaimable memory."""


def _memory_groups(root: Path, own: Path) -> Iterator[tuple[Path, tuple[str, str, str]]]:
    """Yield the folders of this process's memory groups, from its own to the root, and how their files are named.

    A container may see its own group as the root, under another path than the system has for it.
    """
    for line in ["0::/", "0:memory:/", *_text(own).splitlines()]:
        _, controllers, path = line.split(":", 2)
        top, version = (root, V2) if not controllers else (root / "memory", V1)
        if not controllers or "memory" in controllers.split(","):
            folder = top / path.lstrip("/")
            for each in (folder, *folder.parents):
                if each == top or top in each.parents:
                    yield each, version


def _statistic(path: Path, name: str) -> int:
    fields = dict(line.split() for line in _text(path).splitlines() if len(line.split()) == 2)
    return int(fields[name]) if fields.get(name, "").isdecimal() else 0


def _left_of_limit() -> int | None:
    """Read what `ulimit -v` leaves of the address space; None without a limit."""
    if resource is None or (limit := resource.getrlimit(resource.RLIMIT_AS)[0]) == resource.RLIM_INFINITY:
        return None
    pages = _text(Path("/proc/self/statm")).split()
    return limit - (int(pages[0]) * resource.getpagesize() if pages else 0)


def _text(path: Path) -> str:
    """Read a small file of the system; empty where it is missing."""
    try:
        return path.read_text().strip()
    except (OSError, ValueError):
        return ""


@torch.inference_mode()
def bytes_per_pixel(network: nn.Module, *like: Tensor) -> float:
    """Measure the bytes that a network takes per LR pixel: its largest activation on small inputs, times LIVE."""
    largest = 0

    def look(module: nn.Module, inputs: object, output: object) -> None:
        nonlocal largest
        if isinstance(output, Tensor):
            largest = max(largest, output.nbytes)

    hooks = [module.register_forward_hook(look) for module in network.modules()]
    try:
        network(*(each.new_zeros(1, each.shape[-3], _PROBE, _PROBE) for each in like))
    finally:
        for hook in hooks:
            hook.remove()
    return LIVE * largest / _PROBE**2


def choose_tile(free: int, per_pixel: float, halo: int, device: str) -> int:
    """Choose the side of a tile in LR pixels such that it and its halo take a SHARE of the free memory."""
    side = math.isqrt(max(int(SHARE * free / per_pixel), 0)) - 2 * halo
    return max(LEAST_TILE, min(side, MOST_TILE.get(device, MOST_TILE_ELSEWHERE)))


def reduced_tile(room: int, row: int, per_pixel: float, halo: int) -> int:
    """Compute the side of the largest tile that fits in `room` bytes together with a row of tiles: `row` per LR row."""
    linear = row + 4 * halo * per_pixel  # row · s + per_pixel · (s + 2 halo)² ≤ room, a quadratic
    left = max(room - per_pixel * (2 * halo) ** 2, 0.0)
    return max(int((math.sqrt(linear**2 + 4 * per_pixel * left) - linear) / (2 * per_pixel)), LEAST_REDUCED_TILE)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an exception means that memory did not suffice."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    text = str(error)
    return isinstance(error, RuntimeError) and ("can't allocate memory" in text or "out of memory" in text)


def release(device: str) -> None:
    """Free what the allocator keeps for later."""
    if device.startswith("cuda"):
        torch.cuda.empty_cache()
    elif device == "mps":
        torch.mps.empty_cache()


def within_memory(work: Callable[[], Done], doing: str, device: str = "cpu") -> Done:
    """Return work(). Where memory does not suffice, free what it took and raise MapsrError, "out of memory `doing`"."""
    try:
        return work()
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        clear_frames(error.__traceback__)  # or the exception would hold on to what there is no room for
        release(device)
        raise MapsrError(f"out of memory {doing}", MORE) from error
