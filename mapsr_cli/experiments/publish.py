"""Turn a finished run into a zoo checkpoint: average weights, measured figures, and a card for people.

python -m mapsr_cli.experiments.publish --run runs/natural-x4-affmse --valid DIR
"""

import argparse
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mapsr_cli import __version__
from mapsr_cli.evaluation.protocol import mean_psnr_y
from mapsr_cli.experiments.natural_x4_affmse import KERNEL, NETWORK, estimate
from mapsr_cli.networks import Compact
from mapsr_cli.training.loop import Run, TrainConfig
from mapsr_cli.zoo import Card, load_model, save_model
from mapsr_cli.zoo.checkpoint import describe_kernel

NAME = "natural-x4-affmse"
SETS = ("Set5", "Set14", "BSD100", "Kodak24")
PROTOCOL = "Y-PSNR in dB (BT.601 luma, 4 pixels shaved), LR = A(HR) rounded to 8 bits, output rounded to 8 bits"
DATA = (
    "BSDS500 train + test (400, Berkeley: research), T91 (91, no terms stated), one photograph per ImageNet class "
    "(883, non-commercial research), wallpapers of elementary, Pop!_OS, deepin and Debian (55, Unsplash / CC-BY / "
    "CC-BY-SA / GPL)"
)

BATCHES = "16 HR patches of 128² to step 5252, then 8 of 192²"


def measure(network: nn.Module, folder: Path, sets: tuple[str, ...]) -> dict[str, float]:
    """Mean Y-PSNR per test set."""

    def upscale(lr: Tensor) -> Tensor:
        return estimate(network, lr)

    return {name: round(mean_psnr_y(upscale, folder / name, KERNEL), 3) for name in sets}


def main() -> None:
    """Measure in float32 and as stored, then write weights and card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument("--valid", type=Path, required=True, help="folder of test sets")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="where to write")
    parser.add_argument("--sets", nargs="*", default=SETS, help="test sets to measure")
    args = parser.parse_args()
    torch.set_flush_denormal(True)
    run = Run(Compact(NETWORK), Compact(NETWORK), TrainConfig(), args.run)
    if not run.resume():
        raise SystemExit(f"{args.run}: no checkpoint")
    network = run.average.eval()
    card = Card(
        name=NAME,
        architecture="compact",
        config=asdict(NETWORK),
        kernel=describe_kernel(KERNEL),
        constraint="affine",
        method="affmse",
        training=_training(run),
        version=__version__,
    )
    full = measure(network, args.valid, tuple(args.sets[:1]))
    path = args.weights / f"{NAME}.safetensors"
    save_model(path, network, card, torch.float16)
    stored = measure(load_model(path).network, args.valid, tuple(args.sets))
    cost = {name: round(full[name] - stored[name], 4) for name in full}
    metrics: dict[str, Any] = {"protocol": PROTOCOL, "psnr_y": stored, "cost_of_float16": cost}
    save_model(path, network, replace(card, metrics=metrics), torch.float16)
    print(json.dumps({"weights": str(path), "training": card.training, "metrics": metrics}, indent=2))


def _training(run: Run) -> dict[str, Any]:
    return {
        "data": DATA,
        "criterion": f"MAE of Π f to {run.config.mse_from:.0%} of the run, then MSE",
        "steps": run.state.step,
        "minutes": round(run.state.seconds / 60, 1),
        "batches": BATCHES,
        "machine": "2 CPU cores, float32",
        "command": "python -m mapsr_cli.experiments.natural_x4_affmse",
    }


if __name__ == "__main__":
    main()
