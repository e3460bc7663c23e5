"""How the zoo's `natural-x4-affmse` was trained.

    python -m mapsr_cli.experiments.natural_x4_affmse --data DIR --valid DIR --out runs/natural-x4-affmse

Run again with the same folder, it resumes; batch and patch may change then (the zoo's went from 16 × 128² to 8 × 192²).
"""

import argparse
from pathlib import Path

import torch
from torch import Tensor, nn

from mapsr_cli.evaluation.protocol import mean_psnr_y
from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.operators import downsampling, make_kernel
from mapsr_cli.training.data import Photographs
from mapsr_cli.training.loop import Run, TrainConfig, train
from mapsr_cli.zoo import load_model

KERNEL = make_kernel("bicubic", 4)
NETWORK = CompactConfig(scale=4, channels=64, blocks=8)


def estimate(network: nn.Module, lr: Tensor) -> Tensor:
    """Π f(x) for one LR image [3, h, w]."""
    op = downsampling(KERNEL, (lr.shape[-2] * KERNEL.scale, lr.shape[-1] * KERNEL.scale))
    f = network(lr[None].contiguous(memory_format=torch.channels_last))[0].contiguous()
    return op.project(f, lr)


def main() -> None:
    """Train, or go on training."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of photographs")
    parser.add_argument("--valid", type=Path, required=True, help="folder of test sets (Set5, …)")
    parser.add_argument("--out", type=Path, required=True, help="run folder")
    parser.add_argument("--minutes", type=float, default=TrainConfig.minutes)
    parser.add_argument("--init", type=Path, help="checkpoint whose weights a new run starts from")
    parser.add_argument("--batch", type=int, default=TrainConfig.batch)
    parser.add_argument("--patch", type=int, default=128, help="HR pixels")
    args = parser.parse_args()
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    network = Compact(NETWORK)
    if args.init is not None:
        network.load_state_dict(load_model(args.init).network.state_dict())
    run = Run(network, Compact(NETWORK), TrainConfig(minutes=args.minutes, batch=args.batch), args.out)
    run.resume()
    data = Photographs(args.data, args.patch)

    def log(line: str) -> None:
        print(line, flush=True)

    log(f"{len(data.images)} images, {data.small} too small, {data.unreadable} unreadable, from step {run.state.step}")

    def validate(network: nn.Module) -> dict[str, float]:
        return {"set5": mean_psnr_y(lambda lr: estimate(network, lr), args.valid / "Set5", KERNEL)}

    train(run, data, downsampling(KERNEL, (args.patch, args.patch)), validate, log)


if __name__ == "__main__":
    main()
