"""Trainings in processes side by side, each on one thread: networks so small that a second thread only waits."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from multiprocessing.queues import SimpleQueue
from typing import TypeVar

import torch

from mapsr_cli.experiments.order import NamedWatch
from mapsr_cli.training.loop import Status

Result = TypeVar("Result")
Report = tuple[str, Status] | None
"""A training's name and its status; None is the last."""

_reports: "SimpleQueue[Report] | None" = None
"""In a worker: where its reports go."""


def cores() -> int:
    """Count the processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_all(
    jobs: Sequence[Callable[[NamedWatch], Result]],
    watch: NamedWatch,
    workers: int | None = None,
    done: Callable[[Result], None] = lambda result: None,
) -> list[Result]:
    """Run jobs, up to `workers` at a time in a process each (None: one per core); return their results in order.

    `done` is called with each result here, as soon as it is there.

    Jobs and results are pickled, so a job is a module's function, or a partial of one; it begins in the order given.
    An exception of one is raised here after the running ones have ended.
    """
    workers = min(workers or cores(), len(jobs))
    if workers < 2:
        return [_told(job(watch), done) for job in jobs]
    spawn = multiprocessing.get_context("spawn")  # forked, torch's threads would hang
    reports: SimpleQueue[Report] = spawn.SimpleQueue()
    with _listening(reports, watch), ProcessPoolExecutor(workers, spawn, _begin, (reports,)) as pool:
        running = [pool.submit(_run, job) for job in jobs]
        try:
            for future in as_completed(running):
                done(future.result())
            return [future.result() for future in running]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _told(result: Result, done: Callable[[Result], None]) -> Result:
    done(result)
    return result


@contextmanager
def _listening(reports: "SimpleQueue[Report]", watch: NamedWatch) -> Iterator[None]:
    """Pass the workers' reports on to `watch` in a thread; an exception of `watch` is raised at the end.

    Until then reports are still received, as a worker blocks while its reports are not.
    """
    raised: list[Exception] = []

    def listen() -> None:
        for report in iter(reports.get, None):
            if not raised:
                try:
                    watch(*report)
                except Exception as error:
                    raised.append(error)

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    try:
        yield
    finally:
        reports.put(None)
        thread.join()
        if raised:
            raise raised[0]


def _begin(reports: "SimpleQueue[Report]") -> None:
    global _reports
    _reports = reports
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C is the parent's to explain
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _run(job: Callable[[NamedWatch], Result]) -> Result:
    return job(_report)


def _report(name: str, status: Status) -> None:
    assert _reports is not None
    _reports.put((name, status))
