"""Batches, made ahead of the training by a few threads.

Threads and not processes: Pillow and NumPy release the interpreter's lock while they decode and copy, decoded images
are shared, nothing is pickled or forked, and an interrupted run leaves nobody behind.
"""

import weakref
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import Any, Protocol, TypeVar

import torch

from mapsr_cli.criteria.base import Patches
from mapsr_cli.training.data.counts import DataCounts, Ledger

T = TypeVar("T")
BatchJob = Callable[[], Patches]
"""Makes one batch; jobs may run at the same time and in any order."""


def numbered(make: Callable[[int], Patches], start: int) -> Generator[BatchJob]:
    """Yield jobs for batch `start`, `start` + 1, …, each a function of the batch's number alone."""
    for batch in count(start):
        yield partial(make, batch)


class PatchSource(Protocol):
    """A kind of data: folder, list, shards, points, lessons."""

    ledger: Ledger
    """What it found and served."""

    def jobs(self, start: int) -> Generator[BatchJob]:
        """Yield what makes this process's share of global batch `start`, `start` + 1, … without end."""
        ...


class Data:
    """An endless stream of batches, and counts of what was read."""

    def __init__(self, source: PatchSource, workers: int) -> None:
        """Stream a source; `workers` threads make batches ahead, with 0 the caller's makes each on request."""
        self._source = source
        self._ahead = 2 * workers + 1
        self._pool = ThreadPoolExecutor(workers, "mapsr-data") if workers else None
        self._streams: weakref.WeakSet[Generator[Patches]] = weakref.WeakSet()

    @property
    def report(self) -> DataCounts:
        """Images found, skipped and padded, patches served: as of now."""
        return self._source.ledger.counts()

    def batches(self, start: int = 0) -> Iterator[Patches]:
        """Yield this process's rows of global batch `start`, `start` + 1, …, without end.

        On the CPU, pinned where there is CUDA. ImageFiles: uint8 [batch / world, C, H, W]; points and lessons: float32.
        Raises ImageError where no image can be read.
        """
        stream = self._batches(start)
        self._streams.add(stream)
        return stream

    def close(self) -> None:
        """Stop all threads; what they were making is dropped."""
        for stream in list(self._streams):
            stream.close()
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _batches(self, start: int) -> Generator[Patches]:
        pending: deque[Future[Patches]] = deque()
        jobs = self._source.jobs(start)
        try:
            while True:
                while len(pending) < self._ahead:
                    pending.append(submit(self._pool, _made, next(jobs)))
                batch = pending.popleft().result()
                self._source.ledger.served += len(batch)
                yield batch
        finally:
            for future in pending:
                future.cancel()
            jobs.close()


def submit(pool: ThreadPoolExecutor | None, work: Callable[..., T], *args: Any) -> Future[T]:
    """Submit work to a pool; without one, do it now."""
    if pool is not None:
        return pool.submit(work, *args)
    done: Future[T] = Future()
    done.set_result(work(*args))
    return done


def _made(job: BatchJob) -> Patches:
    batch = job()
    return batch.pin_memory() if torch.cuda.is_available() else batch
