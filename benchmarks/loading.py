"""What loading costs, and how long a training waits for it. `python benchmarks/loading.py --data DIR`."""

import argparse
import shutil
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path
from statistics import median

import torch
from torch.nn.functional import l1_loss
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from mapsr_cli.criteria.base import Patches
from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.operators import downsampling, make_kernel
from mapsr_cli.training.data import DataConfig, RankShare, open_data
from mapsr_cli.training.data.decoding import looks_like_image
from mapsr_cli.training.data.images import folder_images

CONFIG = DataConfig(cache_mb=0)
CACHED = replace(CONFIG, cache_mb=4096)
ROUNDS = 3


class InProcesses(IterableDataset[Patches]):
    """The same batches for torch's DataLoader: worker w of W makes batch w, w + W, …"""

    def __init__(self, folder: str) -> None:
        self.source = folder_images(folder, CONFIG, RankShare(CONFIG.batch))

    def __iter__(self) -> Iterator[Patches]:
        info = get_worker_info()
        assert info is not None
        for job in islice(self.source.jobs(0), info.id, None, info.num_workers):
            yield job()


def pack(images: list[Path], folder: Path, shards: int) -> str:
    """Pack the images into tar shards."""
    for shard in range(shards):
        with tarfile.open(folder / f"x-{shard}.tar", "w") as tar:
            for path in images[shard::shards]:
                tar.add(path, path.name)
    return f"{folder}/x-{{0..{shards - 1}}}.tar"


def pace(batches: Iterator[object], warm: int, measured: int) -> float:
    """Measure patches per second after some batches to warm up."""
    for _ in islice(batches, warm):
        pass
    began = time.perf_counter()
    for _ in islice(batches, measured):
        pass
    return measured * CONFIG.batch / (time.perf_counter() - began)


def pace_of_threads(location: str, config: DataConfig, warm: int, measured: int) -> float:
    data = open_data(location, config)
    try:
        return pace(data.batches(), warm, measured)
    finally:
        data.close()


def pace_of_processes(folder: str, processes: int, warm: int, measured: int) -> float:
    return pace(iter(DataLoader(InProcesses(folder), batch_size=None, num_workers=processes)), warm, measured)


def paces(folder: str, shards: str, measured: int) -> None:
    """Measure all ways of loading in turn, several times, since other work on the machine varies."""
    ways: dict[str, Callable[[], float]] = {}
    for n in (0, 1, 2, 4):
        config, cached = (replace(c, workers=n) for c in (CONFIG, CACHED))
        ways[f"files, {n} threads"] = partial(pace_of_threads, folder, config, 4, measured)
        ways[f"shards, {n} threads"] = partial(pace_of_threads, shards, config, 4, measured)
        ways[f"cache, {n} threads"] = partial(pace_of_threads, folder, cached, 200, 4 * measured)
    for n in (1, 2):
        ways[f"files, {n} processes"] = partial(pace_of_processes, folder, n, 4, measured)
    rates: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            rates[name].append(way())
    base = median(rates["files, 0 threads"])
    for name, values in rates.items():
        print(f"{name}: {median(values):.0f} patches/s, {median(values) / base:.2f} of files without threads")


def wait(seconds: float, patches: Patches) -> None:
    time.sleep(seconds)


def training_step() -> Callable[[Patches], None]:
    """Make a function that runs one step of the zoo's network on this processor."""
    network, op = Compact(CompactConfig(4, 64, 8)), downsampling(make_kernel("bicubic", 4), CONFIG.patch)

    def step(patches: Patches) -> None:
        y = patches.to(torch.device("cpu")).y
        x = op.down(y)
        torch.autograd.backward(l1_loss(op.project(network(x), x), y))

    return step


def share_of_waiting(
    location: str, config: DataConfig, step: Callable[[Patches], None], warm: int, steps: int
) -> float:
    """Measure the share of its time that a training waits for batches."""
    data = open_data(location, config)
    batches = data.batches()
    for _ in islice(batches, warm):
        pass
    began, busy = time.perf_counter(), 0.0
    for batch in islice(batches, steps):
        came = time.perf_counter()
        step(batch)
        busy += time.perf_counter() - came
    share = 1 - busy / (time.perf_counter() - began)
    data.close()
    return share


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--images", type=int, default=300, help="how many of them")
    parser.add_argument("--batches", type=int, default=20, help="how many to measure")
    args = parser.parse_args()
    images = sorted(p for p in args.data.rglob("*") if looks_like_image(p.name))
    images = images[:: max(len(images) // args.images, 1)]
    with tempfile.TemporaryDirectory() as temporary:
        for path in images:
            shutil.copy(path, temporary)
        shards = pack(images, Path(temporary), 8)
        print(f"{len(images)} images, {CONFIG.batch} × {CONFIG.patch[0]}² patches, {torch.get_num_threads()} threads")
        began = time.perf_counter()
        open_data(temporary, CONFIG).close()
        print(f"opening the folder: {1e3 * (time.perf_counter() - began) / len(images):.2f} ms per image")
        paces(temporary, shards, args.batches)
        for name, location, config, warm in (
            ("files", temporary, CONFIG, 4),
            ("shards", shards, CONFIG, 4),
            ("cache", temporary, CACHED, 200),
        ):
            for seconds in (0.03, 0.1, 0.3):
                share = share_of_waiting(location, config, partial(wait, seconds), warm, args.batches)
                print(f"{name}, a device that takes {seconds} s per step: waits {share:.1%}")
            share = share_of_waiting(location, config, training_step(), warm, 6)
            print(f"{name}, the zoo's network on this processor: waits {share:.1%}")


if __name__ == "__main__":
    main()
