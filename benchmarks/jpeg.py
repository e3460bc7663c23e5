"""Y-PSNR of models by quality, on LR images saved as JPEG: `python benchmarks/jpeg.py --data DIR/Set5 DIR/Set14`.

With --scores FILE.json, what was measured before is kept, and only what is missing there is measured.
"""

import argparse
import io
import json
from pathlib import Path
from statistics import mean

import torch
from PIL import Image
from torch import Tensor

from mapsr_cli.evaluation.candidates import BASELINES
from mapsr_cli.evaluation.protocol import PEAK, PROTOCOLS, Pair, images_in, make_pair
from mapsr_cli.imaging import FORMATS, read_frames
from mapsr_cli.inference import Settings, Upscaler
from mapsr_cli.inference.files import upscale_frames
from mapsr_cli.operators import make_kernel

KERNEL = make_kernel("bicubic", 4)
CLEAN = 0
"""Stands for a lossless file."""
Scores = dict[str, float]
"""dB by `candidate/set/image/quality`."""


def saved(lr: Tensor, quality: int, chroma: str) -> bytes:
    """Save levels [3, h, w] as JPEG, or as PNG for CLEAN."""
    file, image = io.BytesIO(), Image.fromarray(lr.byte().permute(1, 2, 0).contiguous().numpy())
    if quality == CLEAN:
        image.save(file, "PNG")
    else:
        image.save(file, "JPEG", quality=quality, subsampling=chroma)
    return file.getvalue()


def measured(name: str, upscaler: Upscaler | None, pair: Pair, file: bytes) -> float:
    """Return the Y-PSNR of a candidate on a file: a row of BASELINES, or a model through what the file says."""
    frames = read_frames(file, FORMATS["PNG"].holds, coefficients=upscaler is not None)
    if upscaler is None:
        levels = BASELINES[name](frames.pictures[0].levels.float(), pair.kernel).round().clamp(0, PEAK)
    else:
        levels = upscale_frames(frames, upscaler)[0].pictures[0].levels.float()
    return PROTOCOLS["y"].psnr(levels / PEAK, pair.hr / PEAK, pair.scale)


def table(scores: Scores, names: list[str], sets: list[str], qualities: list[int]) -> None:
    """Print means by set and quality, and by how much the worst image of each model lies below bicubic."""
    titles = ["clean" if quality == CLEAN else str(quality) for quality in qualities]
    print("| | " + " | ".join(titles) + " |\n|---|" + "---|" * len(qualities))
    for folder in sets:
        for name in names:
            cells = []
            for quality in qualities:
                found = {
                    k: v for k, v in scores.items() if k.startswith(f"{name}/{folder}/") and k.endswith(f"/{quality}")
                }
                less = [value - scores[key.replace(name, "bicubic", 1)] for key, value in found.items()]
                cells.append(f"{mean(found.values()):.2f}" + ("" if name == "bicubic" else f" ({min(less):+.2f})"))
            print(f"| {folder}: {name} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of HR images")
    parser.add_argument("--models", nargs="+", default=["natural-x4-affmse", "natural-x4-affmse-jpeg"])
    parser.add_argument("--qualities", type=int, nargs="+", default=[30, 50, 75, 90, 95, CLEAN])
    parser.add_argument("--chroma", default="4:2:0")
    parser.add_argument("--scores", type=Path, help="file to keep scores in")
    args = parser.parse_args()
    torch.set_flush_denormal(True)
    scores: Scores = json.loads(args.scores.read_text()) if args.scores and args.scores.exists() else {}
    names = ["bicubic", *(Path(model).stem for model in args.models)]
    upscalers = [None, *(Upscaler(model, Settings("float"), precision="fp32") for model in args.models)]
    for folder in args.data:
        for path in images_in(folder):
            pair = make_pair(path, KERNEL)
            for quality in args.qualities:
                file = saved(pair.lr, quality, args.chroma)
                for name, upscaler in zip(names, upscalers, strict=True):
                    key = f"{name}/{folder.name}/{path.stem}/{quality}"
                    if key not in scores:
                        scores[key] = round(measured(name, upscaler, pair, file), 4)
            if args.scores:
                args.scores.write_text(json.dumps(scores, indent=0))
    table(scores, names, [folder.name for folder in args.data], args.qualities)


if __name__ == "__main__":
    main()
