"""Turn a run's weights into a zoo checkpoint: half the size, measured, with terms and protocol in its header.

    python -m tools.publish --run runs/affmse-compact --name natural-x4-affmse --valid eval

The manifest beside it follows.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from mapsr_cli.evaluation.protocol import pairs
from mapsr_cli.evaluation.validation import quality
from mapsr_cli.zoo import Dataset, Model, load_model, save_model
from tools.manifest import write_manifest

SETS = ("Set5", "Set14", "BSD100", "Kodak24")
PROTOCOL = "Y-PSNR in dB (BT.601 luma, {scale} pixels shaved), LR = A(HR) rounded to 8 bits, output as saved in 8 bits"
NATURAL = (
    Dataset("BSDS500 train + test", "Berkeley: research", 400),
    Dataset("T91", "no terms stated", 91),
    Dataset("ImageNet, one photograph per class", "non-commercial research", 883),
    Dataset("wallpapers of elementary, Pop!_OS, deepin and Debian", "Unsplash, CC-BY, CC-BY-SA, GPL", 55),
)
DESCRIPTION = "4× upscaling of photographs: sharp edges, no invented texture"
LICENSE = "apache-2.0"


def measure(model: Model, folder: Path, sets: tuple[str, ...]) -> dict[str, float]:
    """Measure the mean Y-PSNR per test set as `mapsr evaluate` does, of a stochastic model with the same noise."""
    return {name: round(quality(model, pairs(folder / name, model.kernel))["psnr_y"], 3) for name in sets}


def _dataset(text: str) -> Dataset:
    name, separator, terms = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"'{text}' is not NAME=TERMS")
    return Dataset(name, terms)


def main() -> None:
    """Measure as trained and as stored, then write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True, help="run folder")
    parser.add_argument("--name", required=True, help="name in the zoo")
    parser.add_argument("--valid", type=Path, required=True, help="folder of test sets")
    parser.add_argument("--description", default=DESCRIPTION, help="one line")
    parser.add_argument("--license", default=LICENSE, help="of the weights")
    parser.add_argument("--data", type=_dataset, nargs="*", default=NATURAL, help="NAME=TERMS of what it learnt from")
    parser.add_argument("--weights", type=Path, default=Path("weights"), help="where to write")
    parser.add_argument("--sets", nargs="*", default=SETS, help="test sets to measure")
    args = parser.parse_args()
    torch.set_flush_denormal(True)
    trained = load_model(args.run / "weights.safetensors")
    path = args.weights / f"{args.name}.safetensors"
    terms = {"description": args.description, "license": args.license, "data": tuple(args.data)}
    card = replace(trained.card, name=args.name, **terms)
    save_model(path, trained.network, card, torch.float16, trained.pinv)
    full = measure(trained, args.valid, tuple(args.sets[:1]))
    stored = measure(load_model(path), args.valid, tuple(args.sets))
    cost = {name: round(full[name] - stored[name], 4) for name in full}
    metrics: dict[str, Any] = {
        "protocol": PROTOCOL.format(scale=trained.kernel.scale),
        "psnr_y": stored,
        "cost_of_float16": cost,
    }
    save_model(path, trained.network, replace(card, metrics=metrics), torch.float16, trained.pinv)
    write_manifest(args.weights, {})
    print(json.dumps({"weights": str(path), "training": card.training, "metrics": metrics}, indent=2))


if __name__ == "__main__":
    main()
