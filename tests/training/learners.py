"""A learner small enough to reason about, and an engine to train it with."""

from collections.abc import Iterator
from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState
from torch import Tensor, nn

from mapsr_cli.criteria.base import Learner, Patches, Player, Scalars, Stage
from mapsr_cli.training.config import LoopConfig
from mapsr_cli.training.engine import Engine
from mapsr_cli.training.run import Run


class Fit(Learner):
    """Fits a 1×1 convolution to y ↦ 2y, with noise in the input, so that random numbers matter."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        network = nn.Conv2d(3, 3, 1)
        self.player = Player(network, torch.optim.Adam(network.parameters(), 5e-2))
        self.poison: set[int] = set()
        self.steps = 0

    def players(self) -> Iterator[tuple[str, Player]]:
        yield "network", self.player

    def step(self, stage: Stage) -> Scalars:
        def loss() -> tuple[Tensor, Scalars]:
            y = stage.draw().y
            value = (self.player.network(y + 0.01 * torch.randn_like(y)) - 2 * y).square().mean()
            if self.steps in self.poison:
                value = value * float("nan")
            return value, {"loss": value.detach()}

        report = stage.update(self.player, loss)
        self.steps += 1
        return report


def stream(batch: int = 4, start: int = 0) -> Iterator[Patches]:
    """Batch k is a function of k alone, as real data's are."""
    k = start
    while True:
        yield Patches(torch.rand(batch, 3, 4, 4, generator=torch.Generator().manual_seed(k)))
        k += 1


def engine(config: LoopConfig) -> Engine:
    AcceleratorState._reset_state(True)
    GradientState._reset_state()
    return Engine(config, Accelerator(cpu=True))


def run(folder: Path, config: LoopConfig, learner: Learner | None = None, batch: int = 4) -> Run:
    """A run that goes on from `folder` if there is something."""
    made = Run(folder, learner or Fit(), engine(config), config)
    made.resume()
    made.engine.feed(stream(batch, made.engine.drawn))
    return made
