"""Calibrate the error bars of a model of the zoo, in place: `mapsr upscale --error-map` says how far off it may be.

    python -m tools.calibrate natural-x4-affmse --photos /work/shared/data/natural --valid /work/shared/data/eval

To be run again whenever the weights are new: `tools.publish` writes a card without error bars. The photographs are
spread evenly over each family (what their names begin with), and none may be of the test sets. `--valid` prints the
coverage on sets that it was not calibrated on. The manifest follows.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch

from mapsr_cli.evaluation.calibration import CONFIDENCES, Calibrator
from mapsr_cli.evaluation.candidates import make_candidates
from mapsr_cli.evaluation.evaluate import Scorer, evaluate
from mapsr_cli.evaluation.protocol import PROTOCOLS, find_sets, images_in
from mapsr_cli.zoo import load_model, rewrite_card
from mapsr_cli.zoo.manifest import weights_folder
from tools.manifest import write_manifest

FAMILIES = {"bsds": 68, "in": 60, "wall": 14}
"""Photographs of each family: wallpapers are ten times as large."""
SAMPLES = 4
"""Drawn of a stochastic model: the spread is averaged over a window, so more of them tell hardly more."""
SEEN = "of the images that the network learnt from"


def chosen(folder: Path, families: dict[str, int]) -> list[Path]:
    """Choose so many photographs of each family of a folder, evenly spaced by name."""
    found = []
    for family, count in families.items():
        paths = [path for path in images_in(folder) if path.stem.startswith(f"{family}_")]
        wanted = min(count, len(paths))
        found += [paths[(2 * i + 1) * len(paths) // (2 * wanted)] for i in range(wanted)]
    return found


def calibrate(path: Path, photos: list[Path], data: str) -> None:
    """Calibrate a checkpoint in place. Raises MapsrError."""
    kernel, candidates = make_candidates([str(path)])
    calibrator = Calibrator()
    evaluate(candidates, {"photographs": photos}, kernel, Scorer(PROTOCOLS["y"], samples=SAMPLES), [calibrator])
    rewrite_card(path, path, replace(load_model(path).card, error_bars=calibrator.calibrate(data)))


def coverages(path: Path, folder: Path, confidence: float) -> dict[str, dict[str, float]]:
    """Measure coverage and mean error bar of a calibrated checkpoint per test set, and of its worst image."""
    kernel, candidates = make_candidates([str(path)])
    found = evaluate(
        candidates, find_sets(folder), kernel, Scorer(PROTOCOLS["y"], confidence=confidence, samples=SAMPLES)
    )
    return {
        group: {
            "coverage": round(sum(score.more["coverage"] for score in scores.values()) / len(scores), 4),
            "least": round(min(score.more["coverage"] for score in scores.values()), 4),
            "largest": round(max(score.more["coverage"] for score in scores.values()), 4),
            "error_bar": round(sum(score.more["error_bar"] for score in scores.values()) / len(scores), 2),
        }
        for group, scores in found.scores[str(path)].items()
    }


def main() -> None:
    """Calibrate, then check."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="in the zoo")
    parser.add_argument("--photos", type=Path, help="folder of photographs with names such as bsds_*")
    parser.add_argument("--share", type=float, default=1.0, help="of the photographs that are taken of each family")
    parser.add_argument("--said", default=SEEN, help="what the card says of them")
    parser.add_argument("--valid", type=Path, help="folder of test sets")
    parser.add_argument("--confidence", type=float, nargs="*", default=[0.9], help=f"of {CONFIDENCES}, for --valid")
    parser.add_argument("--weights", type=Path, default=weights_folder(), help="the folder")
    args = parser.parse_args()
    torch.set_flush_denormal(True)
    path = args.weights / f"{args.name}.safetensors"
    if args.photos is not None:
        photos = chosen(args.photos, {family: round(args.share * count) for family, count in FAMILIES.items()})
        calibrate(path, photos, f"{len(photos)} photographs {args.said}")
        print(write_manifest(args.weights, {}))
    if args.valid is not None:
        for confidence in args.confidence:
            print(json.dumps({"confidence": confidence, "sets": coverages(path, args.valid, confidence)}), flush=True)


if __name__ == "__main__":
    main()
