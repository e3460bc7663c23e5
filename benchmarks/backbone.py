"""Trunks of other people's architectures, trained here for a few minutes each without any projection.

    python benchmarks/backbone.py compact --data ../shared/data/natural --minutes 8 -o compact.safetensors

The weights are then what `--backbone` takes, and what projection adds to them is measured by
`mapsr evaluate -m trunk:compact.safetensors -m backbone:compact.safetensors --data DIR --csv FILE`.
Needs spandrel (`pip install 'mapsr[spandrel]'`); minutes are the process's own, on however many threads.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import save_file
from spandrel.architectures.Compact import Compact
from spandrel.architectures.ESRGAN import ESRGAN
from torch import nn
from torch.nn import functional

from mapsr_cli.operators import downsampling, make_kernel
from mapsr_cli.training.data.config import DataConfig
from mapsr_cli.training.data.sources import open_data

SCALE = 4
RATE = 1e-3


@dataclass(frozen=True)
class Recipe:
    """A network and what it sees in a step."""

    build: Callable[[], nn.Module]
    patch: int
    """HR pixels a side."""
    batch: int


TRUNKS = {
    "compact": Recipe(lambda: Compact(num_feat=48, num_conv=8, upscale=SCALE), 96, 8),
    "rrdb": Recipe(lambda: ESRGAN(num_filters=32, num_blocks=2, scale=SCALE), 64, 4),
}


def train(network: nn.Module, recipe: Recipe, data: str, minutes: float) -> int:
    """L1 between f(x) and y, x = round(A y); the rate falls as a cosine over the minutes. Returns the steps made."""
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=1000, pct_start=0.05)
    op = downsampling(make_kernel("bicubic", SCALE), (recipe.patch, recipe.patch))
    images = open_data(data, DataConfig(patch=(recipe.patch, recipe.patch), batch=recipe.batch, workers=1))
    began, steps, done = time.process_time(), 0, 0.0
    for levels in images.batches():
        while schedule.last_epoch < min(int(1000 * done), 999):
            schedule.step()
        y = levels.float() / 255
        x = (op.down(y) * 255).round().clamp(0, 255) / 255
        loss = functional.l1_loss(network(x), y)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        steps, done = steps + 1, (time.process_time() - began) / 60 / minutes
        if steps % 50 == 0:
            print(f"step {steps}, {100 * done:.0f} %, L1 {loss.item():.4f}", flush=True)
        if done >= 1:
            break
    images.close()
    return steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("trunk", choices=TRUNKS)
    parser.add_argument("--data", required=True)
    parser.add_argument("--minutes", type=float, default=8)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    recipe = TRUNKS[args.trunk]
    network = recipe.build()
    print(f"{args.trunk}: {sum(p.numel() for p in network.parameters())} parameters")
    steps = train(network, recipe, args.data, args.minutes)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, args.output)
    print(f"{steps} steps, {args.output}")


if __name__ == "__main__":
    main()
