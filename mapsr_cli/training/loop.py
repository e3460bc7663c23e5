"""The training loop: step, time, log, validate, save. It knows nothing of methods, kinds of data or file formats."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from mapsr_cli.criteria.base import Scalars
from mapsr_cli.training.journal import Journal
from mapsr_cli.training.run import Run
from mapsr_cli.training.signals import stop_requests


@dataclass(frozen=True)
class Status:
    """State of a run between two steps, as a display shows it."""

    step: int
    progress: float
    seconds: float
    """Computing time, resumptions included."""
    left: float
    """Estimated seconds to the end."""
    images_per_second: float
    """HR patches drawn, over all processes."""
    waiting: float
    """Share of the time spent waiting for data."""
    rate: float
    """Learning rate as a fraction of the peak."""
    skipped: int
    values: Mapping[str, float]
    """Means of the learner's report since the last status, and the latest validation."""


Watch = Callable[[Status], None]
"""Receives each status of a training."""


@dataclass(frozen=True)
class Tasks:
    """Calls between the steps, on the main process. `Run.result` is the averaged network, in eval mode."""

    validate: Callable[[Run], Mapping[str, float]] | None = None
    """Measures the result; returns figures by name."""
    picture: Callable[[Run, Path], None] | None = None
    """Writes a grid of samples to a path."""
    export: Callable[[Run], None] | None = None
    """Writes the weights that people use."""
    export_best: Callable[[Run], None] | None = None
    """Writes them where a validation was the best so far."""
    snapshot: Callable[[Run, int], None] | None = None
    """Keeps a copy of the result under a number, 0, 1, …"""
    watch: Watch = lambda status: None
    """Receives each status."""
    journals: Sequence[Journal] = ()


class Interrupted(KeyboardInterrupt):
    """A signal asked to stop; what was trained in `folder` is saved."""

    def __init__(self, signal: int, folder: Path, step: int) -> None:
        super().__init__(f"stopped by signal {signal} at step {step} in {folder}")
        self.signal, self.folder, self.step = signal, folder, step


class _Meter:
    """Means of reports, and pace, between two statuses."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self.reports: dict[str, list[Tensor | float]] = {}
        self.steps, self.seconds = self.run.step, self.run.seconds
        self.images, self.waited = self.run.engine.images, self.run.engine.waited

    def add(self, report: Scalars) -> None:
        """Take a step's report; tensors stay on the device until `status`."""
        for name, value in report.items():
            self.reports.setdefault(name, []).append(value)

    def means(self) -> dict[str, float]:
        """Return the mean of each reported value."""
        return {k: torch.stack([torch.as_tensor(x) for x in v]).float().mean().item() for k, v in self.reports.items()}

    def status(self) -> Status:
        """Return the status since the last reset."""
        run, engine = self.run, self.run.engine
        seconds = max(run.seconds - self.seconds, 1e-9)
        images = (engine.images - self.images) * engine.accelerator.num_processes
        left = run.seconds / run.progress - run.seconds if run.progress > 0 else float("inf")
        return Status(
            step=run.step,
            progress=run.progress,
            seconds=run.seconds,
            left=left,
            images_per_second=images / seconds,
            waiting=(engine.waited - self.waited) / seconds,
            rate=engine.rate,
            skipped=engine.skipped,
            values={**{f"valid/{name}": value for name, value in run.figures.items()}, **self.means()},
        )


def train(run: Run, tasks: Tasks) -> None:
    """Train to the run's end. Raises Interrupted after a signal, with the run saved."""
    config, meter = run.config, _Meter(run)
    saved = validated = run.seconds
    with stop_requests() as request:
        while run.progress < 1.0:
            began, before = time.perf_counter(), run.progress
            meter.add(run.advance())
            run.seconds, stop = _agreed(run, run.seconds + time.perf_counter() - began, request.signal)
            if run.step % config.log_steps == 0 or run.progress == 1.0:
                _log(meter, tasks)
            _keep(run, tasks, before)
            if run.seconds - validated >= 60 * config.validate_minutes and run.progress < 1.0:
                validated = run.seconds
                _validate(run, tasks)
            if stop or run.seconds - saved >= 60 * config.checkpoint_minutes:
                saved = run.seconds
                _save(run, tasks)
            if stop:
                raise Interrupted(stop, run.folder, run.step)
    _validate(run, tasks)
    _save(run, tasks)


def _agreed(run: Run, seconds: float, signal: int | None) -> tuple[float, int]:
    """Return the main process's clock and any process's signal, and take its patience: all must do the same."""
    accelerator = run.engine.accelerator
    if accelerator.num_processes == 1:
        run.stale = run.since_best
        return seconds, signal or 0
    mine = torch.tensor([[seconds, signal or 0, run.since_best]], dtype=torch.float64, device=accelerator.device)
    everyone = accelerator.gather(mine)
    run.stale = int(everyone[0, 2].item())  # the main process alone validates
    return everyone[0, 0].item(), int(everyone[:, 1].max().item())


def _log(meter: _Meter, tasks: Tasks) -> None:
    status = meter.status()
    if meter.run.engine.accelerator.is_main_process:
        rate = {"rate": status.rate, "images_per_second": status.images_per_second, "waiting": status.waiting}
        for journal in tasks.journals:
            journal.write(status.step, {**meter.means(), **rate})
        tasks.watch(status)
    meter.reset()


def _validate(run: Run, tasks: Tasks) -> None:
    if not run.engine.accelerator.is_main_process:
        return
    run.check_finite()
    if tasks.validate is not None:
        if run.judge(tasks.validate(run)) and tasks.export_best is not None:
            tasks.export_best(run)
        for journal in tasks.journals:
            journal.write(run.step, {f"valid/{name}": value for name, value in run.figures.items()})
    if tasks.picture is not None:
        tasks.picture(run, path := run.folder / "samples" / f"{run.step:07d}.png")
        for journal in tasks.journals:
            journal.show(run.step, path)


def _save(run: Run, tasks: Tasks) -> None:
    run.save()
    if tasks.export is not None and run.engine.accelerator.is_main_process:
        tasks.export(run)


def _keep(run: Run, tasks: Tasks, before: float) -> None:
    """Take a snapshot where progress has passed the next of `snapshots` even marks."""
    count = run.config.snapshots
    number = int(run.progress * count)
    if tasks.snapshot is not None and number > int(before * count) and run.engine.accelerator.is_main_process:
        tasks.snapshot(run, number - 1)
