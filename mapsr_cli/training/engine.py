"""Data, devices, precision, processes and safe optimiser steps for a learner (through accelerate)."""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from mapsr_cli.criteria.base import Learner, Patches, Player, Scalars
from mapsr_cli.errors import MapsrError
from mapsr_cli.networks import lay_out
from mapsr_cli.training.config import LoopConfig

LOST_IN_A_ROW = 10
"""Losses in a row that are not finite before a run gives up."""
REMEDY = (
    "--resume goes on from the last checkpoint; a lower rate (--set criterion.rate=…) or clipped gradients "
    "(--set loop.clip=1) may help"
)


class DivergenceError(MapsrError):
    """Training whose loss or weights are not finite any more."""


class Engine:
    """Implements `criteria.base.Stage` for one process of a run."""

    def __init__(self, config: LoopConfig, accelerator: Accelerator) -> None:
        self.config, self.accelerator = config, accelerator
        self.progress = 0.0
        self.rate = self.steady_rate = 1.0
        self.drawn = 0
        """Batches (parts of batches, where gradients accumulate) that this run has used."""
        self.waited = 0.0
        """Seconds spent waiting for data."""
        self.images = 0
        """HR patches drawn by this process since it started."""
        self.skipped = 0
        """Updates left out because loss or gradients were not finite."""
        self._lost: Counter[Player] = Counter()
        self._stream: Iterator[Patches] = iter(())

    def feed(self, stream: Iterator[Patches]) -> None:
        """Set where `draw` takes HR patches from."""
        self._stream = stream

    def attach(self, learner: Learner) -> None:
        """Wrap the learner's players for this machine, and move its fixed networks to the device."""
        for _, player in learner.players():
            for group in player.optimiser.param_groups:
                group.setdefault("peak", group["lr"])
            lay_out(player.bare)
            player.network = self.accelerator.prepare_model(player.network)
            player.optimiser = self.accelerator.prepare_optimizer(player.optimiser)
        for module in learner.modules():
            module.to(self.accelerator.device)

    def begin(self, step: int, progress: float) -> None:
        """Set a step's learning rates and random numbers, which depend on the step alone, as for a resumed run."""
        self.progress, self.rate = progress, self.config.rate_factor(step, progress)
        self.steady_rate = self.config.warmup_factor(step)
        torch.manual_seed(_mixed(self.config.seed, step, self.accelerator.process_index))

    def draw(self) -> Patches:
        """Take the next batch to the device, see `Stage`."""
        began = time.perf_counter()
        patches = next(self._stream)
        self.waited += time.perf_counter() - began
        self.drawn += 1
        self.images += len(patches)
        return patches.to(self.accelerator.device)

    def update(self, player: Player, loss: Callable[[], tuple[Tensor, Scalars]]) -> Scalars:
        """Make one optimiser step on the mean loss of `accumulate` parts, see `Stage`.

        Raises DivergenceError after ten losses in a row that are not finite.
        """
        parts, total = self.config.accumulate, torch.zeros((), device=self.accelerator.device)
        reports: list[Scalars] = []
        for group in player.optimiser.param_groups:
            group["lr"] = group["peak"] * (self.steady_rate if player.steady else self.rate)
        for part in range(parts):
            with self._together(player.network, last=part == parts - 1):
                value, report = loss()
                self.accelerator.backward(value / parts)
            reports.append(report)
            total += value.detach() / parts
        if self._finite(player, total) or self.accelerator.scaler is not None:  # the scaler skips steps that overflowed
            with self.accelerator.autocast():  # for Muon's products: Adam has none
                player.optimiser.step()
        player.optimiser.zero_grad(set_to_none=True)
        return self._mean(reports)

    def _mean(self, reports: list[Scalars]) -> Scalars:
        """Average reports over parts and processes."""
        device = self.accelerator.device
        rows = [torch.stack([torch.as_tensor(v, device=device).float() for v in r.values()]) for r in reports]
        means = self.accelerator.reduce(torch.stack(rows).mean(dim=0), "mean")
        return dict(zip(reports[0], torch.unbind(means), strict=True))

    def _together(self, network: nn.Module, last: bool) -> contextlib.AbstractContextManager[Any]:
        """Delay the exchange of gradients between processes to the last part."""
        return contextlib.nullcontext() if last else self.accelerator.no_sync(network)

    def _finite(self, player: Player, loss: Tensor) -> bool:
        """Return whether loss and gradients are finite, in every process; give up after ten losses in a row."""
        good = loss.isfinite()
        self.accelerator.unscale_gradients(player.optimiser)
        norm = self._gradient_norm(player.network)
        if self.accelerator.scaler is None:  # float16's expects gradients to overflow, until it has found its scale
            good = good & norm.isfinite()
        if self.accelerator.reduce(good.float(), "mean").item() == 1.0:
            self._lost[player] = 0
            return True
        self.skipped += 1
        self._lost[player] += 1
        if self._lost[player] >= LOST_IN_A_ROW:
            raise DivergenceError(
                f"the loss was not finite {LOST_IN_A_ROW} times in a row, at {self.progress:.0%} of the run",
                REMEDY,
            )
        return False

    def _gradient_norm(self, network: nn.Module) -> Tensor:
        """Return the norm of all gradients, which are clipped where the run asks for it."""
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        norm: Tensor = torch.nn.utils.get_total_norm(gradients)
        if self.config.clip is not None:
            torch.nn.utils.clip_grads_with_norm_(network.parameters(), self.config.clip, norm)
        return norm


def _mixed(*parts: int) -> int:
    """Mix several numbers into one seed, without the collisions of a sum."""
    seed = 0
    for part in parts:
        seed = (seed * 6364136223846793005 + part + 1442695040888963407) % 2**63
    return seed
