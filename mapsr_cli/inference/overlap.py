"""Many jobs in three steps, overlapped: while one is worked on, the next is read and the last is stored."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from functools import partial
from threading import Thread
from traceback import clear_frames
from typing import TypeVar

from mapsr_cli.errors import MapsrError, UnexpectedError
from mapsr_cli.inference.memory import Done, within_memory

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

    `read` and `store` run in a thread each, `work` in the caller's. Whatever exception one job raises ends only that
    job and is yielded as a MapsrError; KeyboardInterrupt and BrokenPipeError end them all, without waiting for `read`.
    Jobs are taken from `jobs` one ahead.
    """
    upcoming = iter(jobs)
    behind: deque[tuple[Item, Future[Stored]]] = deque()
    with ThreadPoolExecutor(1, "store") as storer:

        def next_reading() -> tuple[Item, Future[Read]] | None:
            return next(((job, _in_thread(partial(attempt, partial(read, job), "reading"))) for job in upcoming), None)

        def hand_on(job: Item, reading: "Future[Read]") -> "Future[Stored]":
            try:
                worked = attempt(lambda: work(job, reading.result()), "upscaling")
                return storer.submit(attempt, partial(store, job, worked), "storing")
            except MapsrError as error:
                _release(error)  # the next job needs the room
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
            storer.shutdown(wait=False, cancel_futures=True)


def _in_thread(work: Callable[[], Done]) -> "Future[Done]":
    """Start work in a thread that Python does not wait for as it ends: reading a pipe may take for ever."""
    future: Future[Done] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:
            future.set_exception(error)

    Thread(target=run, name="read", daemon=True).start()
    return future


def attempt(work: Callable[[], Done], doing: str) -> Done:
    """Return work(). Raises MapsrError for whatever went wrong, but a reader of standard output that is gone."""
    try:
        return within_memory(work, doing)
    except (MapsrError, BrokenPipeError):
        raise
    except Exception as error:
        raise UnexpectedError(error) from error


def _release(error: BaseException | None) -> None:
    """Clear the local variables that tracebacks hold."""
    while error is not None:
        clear_frames(error.__traceback__)
        error = error.__cause__


def _outcome(storing: "Future[Stored]") -> Stored | MapsrError:
    try:
        return storing.result()
    except MapsrError as error:
        return error
