"""Y-PSNR of models on JPEG and noisy originals: `python benchmarks/jpeg.py --data DIR/Set5 DIR/Set14`.

LR images are saved as JPEG of a quality (`50`), with noise of a σ (`noise5`), or as they are (`clean`). With --scores
FILE.json, what was measured before is kept, and only what is missing there is measured.
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
from mapsr_cli.operators import make_kernel, to_levels
from mapsr_cli.zoo import Model, find_model, load_model

KERNEL = make_kernel("bicubic", 4)
INPUTS = ("30", "50", "75", "90", "95", "clean")
NOISE = "noise"
Scores = dict[str, float]
"""dB by `candidate/set/image/input`."""


def saved(lr: Tensor, kind: str, chroma: str) -> bytes:
    """Save levels [3, h, w] as that kind of input."""
    if kind.startswith(NOISE):
        noise = torch.randn(lr.shape, generator=torch.Generator().manual_seed(0))
        lr = to_levels(lr + float(kind.removeprefix(NOISE)) * noise, PEAK)
    file, image = io.BytesIO(), Image.fromarray(lr.byte().permute(1, 2, 0).contiguous().numpy())
    if kind.isdecimal():
        image.save(file, "JPEG", quality=int(kind), subsampling=chroma)
    else:
        image.save(file, "PNG")
    return file.getvalue()


def measured(name: str, model: Model | None, pair: Pair, kind: str, file: bytes) -> float:
    """Return the Y-PSNR of a candidate on a file: a row of BASELINES, or a model through what the file says."""
    frames = read_frames(file, FORMATS["PNG"].holds, coefficients=model is not None)
    if model is None:
        levels = to_levels(BASELINES[name](frames.pictures[0].levels.float(), pair.kernel), PEAK)
    else:
        told = kind.startswith(NOISE) and model.guess != "original"
        sigma = float(kind.removeprefix(NOISE)) if told else None
        upscaler = Upscaler(model, Settings("float", noise=sigma), precision="fp32")
        frames = upscale_frames(frames, upscaler)[0]
        levels = frames.pictures[0].levels.float()
    return PROTOCOLS["y"].psnr(levels / PEAK, pair.hr / PEAK, pair.scale)


def table(scores: Scores, names: list[str], sets: list[str], inputs: list[str]) -> None:
    """Print means by set and input, and how far the worst image of each model lies above bicubic."""
    print("| | " + " | ".join(inputs) + " |\n|---|" + "---|" * len(inputs))
    for folder in sets:
        for name in names:
            cells = []
            for kind in inputs:
                found = {
                    k: v for k, v in scores.items() if k.startswith(f"{name}/{folder}/") and k.endswith(f"/{kind}")
                }
                more = [value - scores[key.replace(name, "bicubic", 1)] for key, value in found.items()]
                cells.append(f"{mean(found.values()):.2f}" + ("" if name == "bicubic" else f" ({min(more):+.2f})"))
            print(f"| {folder}: {name} | " + " | ".join(cells) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", required=True, help="folders of HR images")
    parser.add_argument("--models", nargs="+", default=["natural-x4-affmse", "natural-x4-affmse-jpeg"])
    parser.add_argument("--inputs", nargs="+", default=INPUTS)
    parser.add_argument("--chroma", default="4:2:0")
    parser.add_argument("--scores", type=Path, help="file to keep scores in")
    args = parser.parse_args()
    torch.set_flush_denormal(True)
    scores: Scores = json.loads(args.scores.read_text()) if args.scores and args.scores.exists() else {}
    names = ["bicubic", *(Path(model).stem for model in args.models)]
    models = [None, *(load_model(find_model(model)) for model in args.models)]
    for folder in args.data:
        for path in images_in(folder):
            pair = make_pair(path, KERNEL)
            for kind in args.inputs:
                file = saved(pair.lr, kind, args.chroma)
                for name, model in zip(names, models, strict=True):
                    key = f"{name}/{folder.name}/{path.stem}/{kind}"
                    if key not in scores:
                        scores[key] = round(measured(name, model, pair, kind, file), 4)
            if args.scores:
                args.scores.write_text(json.dumps(scores, indent=0))
    table(scores, names, [folder.name for folder in args.data], args.inputs)


if __name__ == "__main__":
    main()
