"""A minimal honest loop: L1 and then MSE on Π f, Adam, a cosine schedule over minutes, an average of the weights.

Time counts only while it computes: a run that is paused or resumed keeps its schedule.
"""

import json
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.operators import Downsampling
from mapsr_cli.training.data import Photographs


@dataclass(frozen=True)
class TrainConfig:
    """How to train."""

    minutes: float = 100.0
    """Computing time of the whole run, resumptions included."""
    batch: int = 16
    """Patches per step."""
    rate: float = 1.5e-3
    """Peak learning rate."""
    warmup: int = 100
    """Steps of linear warm-up."""
    average: float = 0.999
    """Decay of the weights' moving average."""
    mse_from: float = 0.75
    """Fraction of the run after which the criterion is MSE; before, MAE, which starts better."""
    seed: int = 0
    """Seed of patches."""
    log_seconds: float = 60.0
    """Computing time between log lines (and checkpoints)."""
    validate_seconds: float = 300.0
    """Computing time between validations."""


@dataclass
class State:
    """Where a run is."""

    step: int = 0
    seconds: float = 0.0


LONGEST_STEP = 5.0
"""Seconds: a step that took longer was interrupted, and counts as this much."""


class Run:
    """One training run: network, average, optimiser, and the folder that lets it resume."""

    def __init__(self, network: nn.Module, average: nn.Module, config: TrainConfig, folder: Path) -> None:
        self.network, self.average, self.config, self.folder = network, average, config, folder
        self.average.load_state_dict(network.state_dict())
        self.average.requires_grad_(False)
        self.optimiser = torch.optim.Adam(network.parameters(), config.rate, betas=(0.9, 0.99))
        self.rng = np.random.default_rng(config.seed)
        self.state = State()
        folder.mkdir(parents=True, exist_ok=True)

    def save(self) -> None:
        """Write the checkpoint to temporary files, then rename: a killed run keeps its last one."""
        tensors = {f"network.{k}": v for k, v in self.network.state_dict().items()}
        tensors |= {f"average.{k}": v for k, v in self.average.state_dict().items()}
        for index, slots in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{index}.{k}": v for k, v in slots.items()}
        meta = {"state": json.dumps(asdict(self.state)), "rng": json.dumps(self.rng.bit_generator.state)}
        partial = self.folder / "checkpoint.partial"
        save_file({k: v.contiguous() for k, v in tensors.items()}, partial, meta)
        partial.rename(self.folder / "checkpoint.safetensors")

    def resume(self) -> bool:
        """Go on from the folder's checkpoint; False if there is none."""
        path = self.folder / "checkpoint.safetensors"
        if not path.exists():
            return False
        tensors = load_file(path)
        for name, module in (("network", self.network), ("average", self.average)):
            prefix = f"{name}."
            module.load_state_dict({k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)})
        state = self.optimiser.state_dict()
        state["state"] = {}
        for key, value in tensors.items():
            if key.startswith("adam."):
                _, index, slot = key.split(".")
                state["state"].setdefault(int(index), {})[slot] = value
        self.optimiser.load_state_dict(state)
        with path.open("rb") as file:
            header = json.loads(file.read(int.from_bytes(file.read(8), "little")))["__metadata__"]
        self.state = State(**json.loads(header["state"]))
        self.rng.bit_generator.state = json.loads(header["rng"])
        return True

    @property
    def fraction(self) -> float:
        """How much of the run is done, 0 … 1."""
        return min(self.state.seconds / (60 * self.config.minutes), 1.0)

    def rate(self) -> float:
        """Cosine from the peak rate to a hundredth of it, after a linear warm-up."""
        cosine = 0.505 + 0.495 * math.cos(math.pi * self.fraction)
        return self.config.rate * cosine * min(1.0, (self.state.step + 1) / self.config.warmup)

    def step(self, y: Tensor, op: Downsampling) -> Tensor:
        """One update on HR patches y [N, 3, H, W]: LR = A y, estimate Π f(LR)."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate()
        x = op.down(y)
        estimate = op.project(self.network(x.contiguous(memory_format=torch.channels_last)).contiguous(), x)
        loss = functional.mse_loss if self.fraction >= self.config.mse_from else functional.l1_loss
        value = loss(estimate, y)
        value.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.state.step += 1
        decay = min(self.config.average, (1 + self.state.step) / (10 + self.state.step))
        with torch.no_grad():
            torch._foreach_lerp_(list(self.average.parameters()), list(self.network.parameters()), 1 - decay)
        return value.detach()


def train(
    run: Run,
    data: Photographs,
    op: Downsampling,
    validate: Callable[[nn.Module], dict[str, float]],
    log: Callable[[str], None],
) -> None:
    """Time, log, validate, save, step, until the minutes are up."""
    config, losses = run.config, []
    logged = validated = run.state.seconds
    while run.fraction < 1.0:
        began = time.perf_counter()
        losses.append(run.step(data.batch(run.rng, config.batch), op))
        run.state.seconds += min(time.perf_counter() - began, LONGEST_STEP)
        if run.state.seconds - logged >= config.log_seconds:
            mean = torch.stack(losses).mean().item()
            pace = len(losses) / (run.state.seconds - logged)
            log(f"step {run.state.step} minute {run.state.seconds / 60:.1f} loss {mean:.6f} steps/s {pace:.2f}")
            logged, losses = run.state.seconds, []
            run.save()
        if run.state.seconds - validated >= config.validate_seconds:
            validated = run.state.seconds
            log(f"step {run.state.step} " + " ".join(f"{k} {v:.3f}" for k, v in validate(run.average).items()))
    run.save()
    log(f"step {run.state.step} " + " ".join(f"{k} {v:.3f}" for k, v in validate(run.average).items()))
