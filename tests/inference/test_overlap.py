"""Three steps over many jobs."""

import threading
import time
import weakref
from collections.abc import Iterator

import pytest
import torch

from mapsr_cli.errors import ImageError, MapsrError, UnexpectedError
from mapsr_cli.inference.overlap import overlapped


def identity(job: int) -> int:
    return job


def test_every_job_in_order() -> None:
    done = list(overlapped(range(20), identity, lambda job, x: 2 * x, lambda job, y: (job, y + 1)))
    assert done == [(i, (i, 2 * i + 1)) for i in range(20)]
    assert list(overlapped([], identity, lambda job, x: x, lambda job, y: y)) == []


@pytest.mark.parametrize("step", ["read", "work", "store"])
def test_a_failure_ends_its_own_job_alone(step: str) -> None:
    def fail(name: str, job: int) -> int:
        if name == step and job in (0, 3):
            raise ImageError(f"{job}")
        return job

    done = dict(
        overlapped(range(5), lambda j: fail("read", j), lambda j, x: fail("work", j), lambda j, y: fail("store", j))
    )
    assert [isinstance(done[job], ImageError) for job in range(5)] == [True, False, False, True, False]


@pytest.mark.parametrize(("step", "doing"), [("read", "reading"), ("work", "upscaling"), ("store", "storing")])
@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("can't allocate memory"), torch.OutOfMemoryError("CUDA")]
)
def test_so_does_a_lack_of_memory(step: str, doing: str, error: Exception) -> None:
    def fail(name: str, job: int) -> int:
        if name == step and job == 1:
            raise error
        return job

    done = dict(
        overlapped(range(3), lambda j: fail("read", j), lambda j, x: fail("work", j), lambda j, y: fail("store", j))
    )
    assert (done[0], done[2]) == (0, 2)
    assert str(done[1]) == f"out of memory {doing}"


@pytest.mark.parametrize("error", [MemoryError(), MapsrError("out of memory even in tiles")])
def test_what_a_failed_job_had_made_is_gone_before_the_next(error: Exception) -> None:
    made = []

    def work(job: int, read: int) -> int:
        if job == 0:
            large = torch.empty(1)
            made.append(weakref.ref(large))
            raise error
        assert made[0]() is None
        return job

    assert len(list(overlapped(range(2), identity, work, lambda j, y: y))) == 2


@pytest.mark.parametrize("step", ["read", "work", "store"])
@pytest.mark.parametrize("kind", [ZeroDivisionError, RuntimeError, OverflowError, KeyError, OSError, RecursionError])
def test_any_exception_is_its_job_s_failure(step: str, kind: type[Exception]) -> None:
    def fail(name: str, job: int) -> int:
        if name == step and job == 2:
            raise kind("a\nword")
        return job

    outcomes = list(
        overlapped(range(9), lambda j: fail("read", j), lambda j, x: fail("work", j), lambda j, y: fail("store", j))
    )
    assert [job for job, _ in outcomes] == list(range(9))
    assert [done for job, done in outcomes if job != 2] == [0, 1, 3, 4, 5, 6, 7, 8]
    failure = outcomes[2][1]
    assert isinstance(failure, UnexpectedError)
    assert (kind.__name__ in str(failure), "\n" in str(failure)) == (True, False)
    assert isinstance(failure.__cause__, kind)


def test_an_interruption_does_not_wait_for_a_reader() -> None:
    stuck = threading.Event()

    def interrupt(job: int, x: bool) -> int:
        raise KeyboardInterrupt

    outcomes = overlapped(range(2), lambda job: job == 0 or stuck.wait(60), interrupt, lambda job, y: y)
    began = time.perf_counter()
    with pytest.raises(KeyboardInterrupt):
        next(outcomes)
    assert time.perf_counter() - began < 10
    stuck.set()


def test_steps_overlap() -> None:
    """While one job is worked on, the next is read and the last is stored."""
    meeting = threading.Barrier(3, timeout=10)

    def meet(now: bool) -> None:
        if now:
            meeting.wait()

    list(overlapped(range(3), lambda j: meet(j == 2), lambda j, _: meet(j == 1), lambda j, _: meet(j == 0)))


def test_jobs_are_taken_one_ahead() -> None:
    taken = []

    def jobs() -> Iterator[int]:
        for job in range(10):
            taken.append(job)
            yield job

    for job, _ in overlapped(jobs(), identity, lambda j, x: x, lambda j, y: y):
        assert len(taken) <= job + 4


def test_stopping_early_cancels_the_rest() -> None:
    stored = []

    def store(job: int, _: int) -> None:
        stored.append(job)
        time.sleep(0.01)

    for job, _ in overlapped(range(1000), identity, lambda j, x: x, store):
        if job == 3:
            break
    assert len(stored) < 10
