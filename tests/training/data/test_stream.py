import subprocess
import sys
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import replace
from itertools import count, islice
from pathlib import Path

import pytest
import torch

from mapsr_cli.criteria.base import Patches
from mapsr_cli.training.data import Data, open_data
from mapsr_cli.training.data.counts import Ledger
from mapsr_cli.training.data.stream import BatchJob
from tests.pictures import scene
from tests.training.data.conftest import TINY, encoded, take, write_tar


@pytest.fixture(params=["folder", "list", "shards", "swissroll"])
def location(request: pytest.FixtureRequest, pictures: Path) -> str:
    """One of each kind."""
    if request.param == "list":
        listing = pictures / "all.txt"
        listing.write_text("\n".join(str(p.relative_to(pictures)) for p in sorted(pictures.rglob("*.png"))))
        return str(listing)
    if request.param == "shards":
        for shard in range(3):
            images = {f"{i}.png": encoded(scene(16 + i, 24, seed=10 * shard + i)) for i in range(7)}
            write_tar(pictures / f"x-{shard}.tar", images)
        return str(pictures / "x-{0..2}.tar")
    return str(pictures) if request.param == "folder" else "swissroll:"


def test_the_seed_decides(location: str) -> None:
    first = take(open_data(location, TINY), 12)
    assert torch.equal(take(open_data(location, TINY), 12), first)
    assert not torch.equal(take(open_data(location, replace(TINY, seed=1)), 12), first)
    assert len({batch.numpy().tobytes() for batch in first}) == 12


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("start", [1, 5, 11, 37])
def test_resumes_where_it_was(location: str, start: int, workers: int) -> None:
    config = replace(TINY, workers=workers)
    whole = take(open_data(location, config), start + 3)
    assert torch.equal(take(open_data(location, config), 3, start), whole[start:])


def test_workers_change_nothing(location: str) -> None:
    assert torch.equal(take(open_data(location, replace(TINY, workers=3)), 30), take(open_data(location, TINY), 30))


@pytest.mark.parametrize("location", ["folder", "list", "swissroll"], indirect=True)
def test_processes_share_the_batch_of_one(location: str) -> None:
    parts = [take(open_data(location, TINY, rank, 2), 5, start=2) for rank in range(2)]
    assert torch.equal(torch.cat(parts, dim=1), take(open_data(location, TINY), 5, start=2))


def test_batches_are_plain(location: str) -> None:
    data = open_data(location, TINY)
    batch = next(iter(data.batches())).y
    data.close()
    assert batch.is_contiguous()
    assert batch.device.type == "cpu"
    assert batch.dtype == (torch.float32 if location == "swissroll:" else torch.uint8)


class Slow:
    """Batches that take their time, made in many threads."""

    def __init__(self, seconds: float, fail_at: int = -1) -> None:
        self.ledger, self.seconds, self.fail_at = Ledger(), seconds, fail_at
        self.made: list[int] = []

    def jobs(self, start: int) -> Generator[BatchJob]:
        for number in count(start):
            yield self._job(number)

    def _job(self, number: int) -> BatchJob:
        def work() -> Patches:
            time.sleep(self.seconds)
            if number == self.fail_at:
                raise RuntimeError("a worker failed")
            self.made.append(number)
            return Patches(torch.full((2, 1, 1, 1), number, dtype=torch.uint8))

        return work


def test_batches_are_made_while_the_training_computes() -> None:
    source = Slow(0.05)
    data = Data(source, workers=2)
    batches = data.batches()
    next(batches)
    waited = 0.0
    for _ in range(8):
        time.sleep(0.1)
        began = time.perf_counter()
        next(batches)
        waited += time.perf_counter() - began
    assert waited < 0.2  # one after the other: 0.4
    data.close()
    assert len(source.made) < 20


def test_batches_come_in_order() -> None:
    data = Data(Slow(0.001), workers=4)
    assert [int(batch.y[0]) for batch in islice(data.batches(3), 30)] == list(range(3, 33))
    data.close()


def test_without_workers_none_is_made_ahead() -> None:
    source = Slow(0)
    batches = Data(source, workers=0).batches()
    assert source.made == []
    next(batches)
    assert source.made == [0]


def test_an_error_in_a_worker_reaches_the_training() -> None:
    data = Data(Slow(0, fail_at=3), workers=2)
    with pytest.raises(RuntimeError, match="a worker failed"):
        list(islice(data.batches(), 10))
    data.close()


def our_threads() -> list[str]:
    return [t.name for t in threading.enumerate() if t.name.startswith("mapsr")]


@pytest.mark.parametrize("end", [Data.close, lambda data: None])
def test_no_thread_stays_behind(location: str, end: Callable[[Data], None]) -> None:
    data = open_data(location, replace(TINY, workers=2))
    batches = data.batches()
    next(batches)
    assert our_threads()
    end(data)
    del data, batches
    deadline = time.monotonic() + 5
    while our_threads() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not our_threads()


def test_closing_twice_or_unused(location: str) -> None:
    data = open_data(location, replace(TINY, workers=2))
    data.close()
    data.close()


@pytest.mark.slow
def test_an_interrupted_process_ends_at_once(location: str) -> None:
    program = (
        "import signal, sys, threading\n"
        "from mapsr_cli.training.data import DataConfig, open_data\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs ignore it
        "data = open_data(sys.argv[1], DataConfig(patch=(16, 16), workers=2))\n"
        "threading.Timer(0.3, signal.raise_signal, [signal.SIGINT]).start()\n"
        "for batch in data.batches():\n"
        "    pass\n"
    )
    done = subprocess.run([sys.executable, "-c", program, location], capture_output=True, timeout=50, text=True)
    assert done.stderr.strip().endswith("KeyboardInterrupt")
    assert done.stderr.count("Traceback") == 1
