"""How much of this machine's convolution rate a training step reaches, and how long it waits for data.

    python benchmarks/training.py --data ../shared/data/natural [--precision bf16] [--batch 16] [--patch 192]

Counts only the network's multiply-adds × 3 (forward, gradient of inputs, gradient of weights); the time is the whole
step's: drawing, A, network, projection, loss, backward, optimiser, average.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import torch
from torch import nn

from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.training.assembly import open_run
from mapsr_cli.training.processes import make_accelerator
from mapsr_cli.training.recipe import make_recipe

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


def convolution_rate(dtype: torch.dtype, batch: int, side: int, channels: int, seconds: float = 3.0) -> float:
    """Measure the best FLOP/s of a 3×3 convolution of the body's shape."""
    x = torch.randn(batch, channels, side, side).to(memory_format=torch.channels_last, dtype=dtype)
    layer = nn.Conv2d(channels, channels, 3, padding=1, dtype=dtype)
    layer.weight.data = layer.weight.data.to(memory_format=torch.channels_last)
    flops, best, end = 2 * batch * side**2 * channels**2 * 9, 0.0, time.perf_counter() + seconds
    with torch.inference_mode():
        layer(x)
        while time.perf_counter() < end:
            began = time.perf_counter()
            for _ in range(5):
                layer(x)
            best = max(best, 5 * flops / (time.perf_counter() - began))
    return best


def network_flops(config: CompactConfig, batch: int, side: int) -> float:
    """Count the FLOPs of one training step's network: 2 per multiply-add, forward and twice as much backward."""
    weights = sum(m.weight.numel() for m in Compact(config).modules() if isinstance(m, nn.Conv2d))
    return 3 * 2 * weights * batch * side**2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--precision", choices=DTYPES, default="bf16")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--patch", type=int, default=192)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--cache-mb", type=int, default=4096)
    args = parser.parse_args()
    torch.set_flush_denormal(True)
    settings = {
        "data": {"batch": args.batch, "patch": (args.patch, args.patch), "cache_mb": args.cache_mb},
        "loop": {"steps": 10_000},
    }
    recipe = make_recipe("affmse", "compact", settings, args.data)
    side, config = args.patch // recipe["kernel"].scale, recipe["generator"]
    peak = convolution_rate(DTYPES[args.precision], args.batch, side, config.channels)
    accelerator = make_accelerator("cpu", args.precision)
    with tempfile.TemporaryDirectory() as folder:
        run = open_run(recipe, Path(folder), accelerator)
        for _ in range(3):
            run.advance()
        waited, began = run.engine.waited, time.perf_counter()
        for _ in range(args.steps):
            run.advance()
        seconds = time.perf_counter() - began
        waiting = (run.engine.waited - waited) / seconds
        run.close()
    rate = network_flops(config, args.batch, side) * args.steps / seconds
    print(
        json.dumps(
            {
                "precision": args.precision,
                "threads": torch.get_num_threads(),
                "convolution_gflops": round(peak / 1e9, 1),
                "training_gflops": round(rate / 1e9, 1),
                "ratio": round(rate / peak, 3),
                "steps_per_second": round(args.steps / seconds, 3),
                "images_per_second": round(args.batch * args.steps / seconds, 1),
                "waiting": round(waiting, 4),
            },
            indent=2,
        )
    )


if __name__ == "__main__":
    main()
