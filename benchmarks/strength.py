"""Y-PSNR against `--strength` on compressed and noisy inputs. `python benchmarks/strength.py --data DIR/Set5`."""

import argparse
import io
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from mapsr_cli.evaluation.protocol import PROTOCOLS, pairs
from mapsr_cli.imaging import read_picture
from mapsr_cli.inference import Settings, Upscaler
from mapsr_cli.zoo import DEFAULT_MODEL, find_model, load_model

STRENGTHS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.0)


def compressed(quality: int) -> Callable[[Tensor], Tensor]:
    def apply(lr: Tensor) -> Tensor:
        file = io.BytesIO()
        Image.fromarray(lr.permute(1, 2, 0).contiguous().numpy()).save(file, "JPEG", quality=quality)
        return read_picture(file.getvalue()).levels

    return apply


def noisy(sigma: float) -> Callable[[Tensor], Tensor]:
    def apply(lr: Tensor) -> Tensor:
        noise = torch.randn(lr.shape, generator=torch.Generator().manual_seed(0))
        return (lr + sigma * noise).round().clamp(0, 255).byte()

    return apply


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of HR images")
    args = parser.parse_args()
    model = load_model(find_model(DEFAULT_MODEL))
    inputs = {f"JPEG {q}": compressed(q) for q in (30, 50, 70, 80, 90, 95)}
    inputs |= {f"noise σ = {sigma}": noisy(sigma) for sigma in (2, 5, 10)} | {"clean": lambda lr: lr}
    upscalers = [Upscaler(model, Settings("float", strength=strength)) for strength in STRENGTHS]
    images = [(pair.hr / 255, pair.lr.byte()) for pair in pairs(args.data, model.kernel)]
    print("| input | " + " | ".join(f"{strength:g}" for strength in STRENGTHS) + " |")
    print("|---|" + "---|" * len(STRENGTHS))
    for name, spoil in inputs.items():
        row = []
        for upscaler in upscalers:
            outputs = [(hr, upscaler(spoil(lr).byte()) / 255) for hr, lr in images]
            row.append(sum(PROTOCOLS["y"].psnr(y, hr, model.kernel.scale) for hr, y in outputs) / len(outputs))
        best = max(row)
        cells = (f"**{value:.2f}**" if value == best else f"{value:.2f}" for value in row)
        print(f"| {name} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
