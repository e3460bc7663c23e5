"""Run by test_processes.py, alone or under `accelerate launch`: 20 steps of AffMSE; prints the losses."""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from accelerate import Accelerator
from torch.nn import functional

from mapsr_cli.criteria.base import CriterionConfig, Patches
from mapsr_cli.criteria.mse import MSE
from mapsr_cli.criteria.resolver import SuperResolver
from mapsr_cli.networks import Affine, Compact, CompactConfig, Estimator
from mapsr_cli.operators import make_kernel
from mapsr_cli.training.config import LoopConfig
from mapsr_cli.training.engine import Engine
from mapsr_cli.training.loop import Status, Tasks, train
from mapsr_cli.training.processes import leave
from mapsr_cli.training.run import Run

STEPS, BATCH = 20, 4


def rows(rank: int, world: int) -> Iterator[Patches]:
    """This process's share of a global batch that does not depend on their number."""
    for k in range(STEPS):
        corners = torch.rand(BATCH, 3, 3, 3, generator=torch.Generator().manual_seed(k))
        yield Patches(functional.interpolate(corners, size=(16, 16), mode="bilinear")[rank::world])


def main(folder: Path) -> None:
    torch.manual_seed(0)
    network = Compact(CompactConfig(channels=8, blocks=2))
    learner = SuperResolver(Estimator(network, Affine(make_kernel("bicubic", 4))), MSE(CriterionConfig(rate=1e-2)))
    config = LoopConfig(steps=STEPS, warmup=2, log_steps=1)
    engine = Engine(config, Accelerator(cpu=True))
    run = Run(folder, learner, engine, config)
    engine.feed(rows(engine.accelerator.process_index, engine.accelerator.num_processes))
    losses: list[float] = []

    def watch(status: Status) -> None:
        losses.append(status.values["loss"])

    train(run, Tasks(watch=watch))
    if engine.accelerator.is_main_process:
        print("losses", engine.accelerator.num_processes, *losses, flush=True)
    leave(engine.accelerator)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
