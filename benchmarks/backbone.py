"""Trunks of foreign architectures, trained without a projection: what the projection changes.

    python benchmarks/backbone.py train compact --data ../shared/data/natural --minutes 8 -o compact.safetensors
    python benchmarks/backbone.py table compact.safetensors rrdb.safetensors --data ../shared/data/eval

Minutes are the process's own, on however many threads. Needs `pip install 'mapsr[eval,spandrel]'` and a torchvision
that loads.
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

from mapsr_cli.evaluation.candidates import BACKBONE, TRUNK, make_candidates
from mapsr_cli.evaluation.evaluate import Scorer, evaluate
from mapsr_cli.evaluation.protocol import PROTOCOLS, find_sets
from mapsr_cli.evaluation.scores import Score
from mapsr_cli.operators import downsampling, make_kernel
from mapsr_cli.training.data.config import DataConfig
from mapsr_cli.training.data.sources import open_data

SCALE = 4
RATE = 1e-3


@dataclass(frozen=True)
class TrunkRecipe:
    """A network and what it sees in a step."""

    build: Callable[[], nn.Module]
    patch: int
    """HR pixels a side."""
    batch: int


TRUNKS = {
    "compact": TrunkRecipe(lambda: Compact(num_feat=48, num_conv=8, upscale=SCALE), 96, 8),
    "rrdb": TrunkRecipe(lambda: ESRGAN(num_filters=32, num_blocks=2, scale=SCALE), 64, 4),
}


def train(network: nn.Module, recipe: TrunkRecipe, data: str, minutes: float) -> int:
    """Train on L1 between f(x) and y, x = round(A y), with a cosine schedule over the minutes; return the steps."""
    optimiser = torch.optim.Adam(network.parameters(), RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, RATE, total_steps=1000, pct_start=0.05)
    op = downsampling(make_kernel("bicubic", SCALE), (recipe.patch, recipe.patch))
    images = open_data(data, DataConfig(patch=(recipe.patch, recipe.patch), batch=recipe.batch, workers=1))
    began, steps, done = time.process_time(), 0, 0.0
    for patches in images.batches():
        while schedule.last_epoch < min(int(1000 * done), 999):
            schedule.step()
        y = patches.to(torch.device("cpu")).y
        x = (op.down(y) * 255).round().clamp(0, 255) / 255
        loss = functional.l1_loss(network(x), y)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
        steps, done = steps + 1, (time.process_time() - began) / 60 / minutes
        if steps % 50 == 0:
            print(f"step {steps}, {100 * done:.0f} %, L1 {loss.item():.4f}", flush=True)
        if done >= 1:
            break
    images.close()
    return steps


def make_trunk(args: argparse.Namespace) -> None:
    torch.manual_seed(0)
    torch.set_flush_denormal(True)
    recipe = TRUNKS[args.trunk]
    network = recipe.build()
    print(f"{args.trunk}: {sum(p.numel() for p in network.parameters())} parameters")
    steps = train(network, recipe, args.data, args.minutes)
    save_file({name: tensor.contiguous() for name, tensor in network.state_dict().items()}, args.output)
    print(f"{steps} steps, {args.output}")


def print_table(args: argparse.Namespace) -> None:
    names = [prefix + str(path) for path in args.files for prefix in (TRUNK, BACKBONE)]
    kernel, candidates = make_candidates(names)
    sets = {name: paths for name, paths in find_sets(args.data).items() if name in args.sets}
    evaluation = evaluate(candidates, sets, kernel, Scorer(PROTOCOLS["y"]))
    print("| trunk | test set | Y-PSNR → projected | least gain on an image | bit-exact → projected |")
    print("|---|---|---|---|---|")
    for path in args.files:
        for name in sets:
            raw, projected = (
                list(evaluation.scores[prefix + str(path)][name].values()) for prefix in (TRUNK, BACKBONE)
            )
            least = min(after.psnr - before.psnr for before, after in zip(raw, projected, strict=True))
            print(f"| {path.stem} | {name} | {_means(raw, projected, least)} |", flush=True)


def _means(raw: list[Score], projected: list[Score], least: float) -> str:
    psnr = [sum(score.psnr for score in scores) / len(scores) for scores in (raw, projected)]
    exact = [sum(score.bit_exact for score in scores) / len(scores) for scores in (raw, projected)]
    shares = f"{100 * exact[0]:.1f} % → {100 * exact[1]:.4f} %"
    return f"{psnr[0]:.2f} → {psnr[1]:.2f} dB | {least:+.3f} dB | {shares}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    training = commands.add_parser("train")
    training.add_argument("trunk", choices=TRUNKS)
    training.add_argument("--data", required=True)
    training.add_argument("--minutes", type=float, default=8)
    training.add_argument("-o", "--output", type=Path, required=True)
    training.set_defaults(run=make_trunk)
    table = commands.add_parser("table")
    table.add_argument("files", type=Path, nargs="+")
    table.add_argument("--data", type=Path, required=True, help="folder of test sets")
    table.add_argument("--sets", nargs="+", default=["Set5", "Set14"])
    table.set_defaults(run=print_table)
    args = parser.parse_args()
    args.run(args)


if __name__ == "__main__":
    main()
