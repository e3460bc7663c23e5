"""What a recipe would train, and what three of its steps cost: nothing of it is kept."""

import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from accelerate import Accelerator

from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.criteria.snapshots import Snapshot, Snapshots
from mapsr_cli.networks import build
from mapsr_cli.training.assembly import Tell, open_run, warn
from mapsr_cli.training.recipe import Recipe

STEPS = 3
"""Steps that are timed, after one that is not."""
LEVEL = 0.25
"""Noise level of the untrained prior that stands for the one of a first stage."""


@dataclass(frozen=True)
class Rehearsal:
    """A recipe's networks, data and cost."""

    parameters: dict[str, int]
    """Of each network that is trained, by name: `generator`, `discriminator`, …"""
    images: int
    """Found in the data; of tar shards, those that were read so far."""
    seconds: float
    """Of a step: the mean of three."""
    images_per_second: float
    """HR patches, over all processes."""
    memory: int
    """Bytes at the peak: of the device, or on the CPU of the whole process."""


def rehearse(recipe: Recipe, accelerator: Accelerator, compiled: bool = False, tell: Tell = warn) -> Rehearsal:
    """Build what a recipe trains and take a few steps in a folder that is then removed.

    A first stage is left out: an untrained prior stands for its own. Raises as `open_run`.
    """
    snapshots = None
    if recipe.method in METHODS and (needs := METHODS[recipe.method].needs) in PRIORS:
        snapshots = Snapshots([Snapshot(LEVEL, build(recipe[needs]))])
    if accelerator.device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(accelerator.device)
    with tempfile.TemporaryDirectory() as folder:
        run = open_run(recipe, Path(folder) / "run", accelerator, snapshots, None, compiled, tell)
        try:
            run.advance()
            before = run.engine.images
            began = time.perf_counter()
            for _ in range(STEPS):
                run.advance()
            _finish(accelerator.device)
            seconds = (time.perf_counter() - began) / STEPS
            assert run.data is not None
            drawn = (run.engine.images - before) * accelerator.num_processes / STEPS
            sizes = {name: sum(p.numel() for p in player.bare.parameters()) for name, player in run.learner.players()}
            return Rehearsal(sizes, run.data.report.found, seconds, drawn / seconds, _peak(accelerator.device))
        finally:
            run.close()


def _finish(device: torch.device) -> None:
    """Wait for what a device was asked to do."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _peak(device: torch.device) -> int:
    """Return the most memory in use so far, in bytes; 0 where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource
    except ImportError:  # not on Windows
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
