"""Trainings in processes side by side."""

import os
from functools import partial

import pytest

from mapsr_cli.experiments.order import NamedWatch
from mapsr_cli.experiments.parallel import cores, run_all
from mapsr_cli.training.loop import Status


def status(step: int) -> Status:
    return Status(step, 0.5, 1.0, 1.0, 1.0, 0.0, 1.0, 0, {"loss": 0.25})


def job(number: int, watch: NamedWatch) -> tuple[int, int]:
    watch(f"job {number}", status(number))
    return number, os.getpid()


def chatty(watch: NamedWatch) -> None:
    for step in range(2000):  # more than a pipe holds
        watch("chatty", status(step))


def failing(watch: NamedWatch) -> tuple[int, int]:
    raise ValueError("a job that fails")


@pytest.mark.slow
def test_processes_of_their_own_in_order_and_heard() -> None:
    heard: dict[str, Status] = {}
    told: list[tuple[int, int]] = []
    done = run_all([partial(job, number) for number in range(3)], heard.__setitem__, workers=2, done=told.append)
    assert sorted(told) == done
    assert [number for number, _ in done] == [0, 1, 2]
    assert os.getpid() not in {process for _, process in done}
    assert heard == {f"job {number}": status(number) for number in range(3)}
    with pytest.raises(ValueError, match="a job that fails"):
        run_all([failing, failing], heard.__setitem__, workers=2)


@pytest.mark.slow
def test_who_hears_badly_stops_nobody() -> None:
    def deaf(name: str, status: Status) -> None:
        raise OSError("no terminal")

    with pytest.raises(OSError, match="no terminal"):
        run_all([chatty, chatty], deaf, workers=2)


def test_one_worker_is_this_process() -> None:
    heard: dict[str, Status] = {}
    told: list[tuple[int, int]] = []
    assert run_all([partial(job, 4)], heard.__setitem__, done=told.append) == [(4, os.getpid())] == told
    assert run_all([partial(job, 5), partial(job, 6)], heard.__setitem__, workers=1)[1] == (6, os.getpid())
    assert list(heard) == ["job 4", "job 5", "job 6"]
    assert cores() >= 1
