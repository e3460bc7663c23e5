"""Many jobs in three steps, overlapped: while one is worked on, the next is read and the last is stored."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from traceback import clear_frames
from typing import TypeVar

from mapsr_cli.errors import MapsrError
from mapsr_cli.inference.memory import within_memory

Item = TypeVar("Item")
Read = TypeVar("Read")
Worked = TypeVar("Worked")
Stored = TypeVar("Stored")

BEHIND = 1
"""Results that may wait to be stored while the next is worked on: they take memory."""


def overlapped(
    jobs: Iterable[Item],
    read: Callable[[Item], Read],
    work: Callable[[Item, Read], Worked],
    store: Callable[[Item, Worked], Stored],
) -> Iterator[tuple[Item, Stored | MapsrError]]:
    """Read, work and store every job; yields each, in order, with what came of it.

    `read` and `store` run in a thread each, `work` in the caller's. A MapsrError ends only its own job, and so does
    a lack of memory, which becomes one; anything else ends them all. Jobs are taken from `jobs` one ahead.
    """
    upcoming = iter(jobs)
    behind: deque[tuple[Item, Future[Stored]]] = deque()
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "store") as storer:

        def next_reading() -> tuple[Item, Future[Read]] | None:
            return next(((job, reader.submit(within_memory, partial(read, job), "reading")) for job in upcoming), None)

        def hand_on(job: Item, reading: "Future[Read]") -> "Future[Stored]":
            try:
                worked = within_memory(partial(work, job, reading.result()), "upscaling")
                return storer.submit(within_memory, partial(store, job, worked), "storing")
            except MapsrError as error:
                clear_frames(error.__traceback__)  # the next job needs the room
                failed: Future[Stored] = Future()
                failed.set_exception(error)
                return failed

        try:
            current = next_reading()
            while current is not None:
                job, reading = current
                wait([reading])
                current = next_reading()
                behind.append((job, hand_on(job, reading)))
                while len(behind) > (BEHIND if current else 0):
                    job, storing = behind.popleft()
                    outcome = _outcome(storing)
                    yield job, outcome
        finally:
            reader.shutdown(wait=False, cancel_futures=True)
            storer.shutdown(wait=False, cancel_futures=True)


def _outcome(storing: "Future[Stored]") -> Stored | MapsrError:
    try:
        return storing.result()
    except MapsrError as error:
        return error
