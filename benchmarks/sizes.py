"""What odd ratios cost: projection and round trip, against those at the whole ratio before them.

`python benchmarks/sizes.py --data DIR/Kodak24 [--images 4] [--ratios 2 2.04 4 4.06]`. LR = A(HR) in 8 bits.
"""

import argparse
from pathlib import Path

import torch

from mapsr_cli.evaluation.protocol import images_in, make_pair
from mapsr_cli.inference.level_upscaler import LevelUpscaler
from mapsr_cli.operators import Kernel, RatioKernel, kernel_at, make_kernel
from mapsr_cli.zoo import DEFAULT_MODEL, find_model, load_model


def seconds(path: Path, kernel: Kernel | RatioKernel, upscaler: LevelUpscaler) -> float:
    """Upscale A of an image; print and return the seconds of projection and round trip."""
    pair = make_pair(path, kernel)
    _, report = upscaler.upscale(pair.lr.byte(), kernel=pair.kernel)
    spent = report.seconds["project"]
    print(f"{path.stem} ×{kernel.scale:g}: {spent:.2f} s, up to {report.passes} passes", flush=True)
    return spent


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--ratios", type=float, nargs="+", default=[2, 2.04, 4, 4.06])
    parser.add_argument("--model", default=DEFAULT_MODEL)
    args = parser.parse_args()
    torch.set_flush_denormal(True)
    upscaler = LevelUpscaler(load_model(find_model(args.model)))
    whole: dict[Path, float] = {}
    for ratio in args.ratios:
        kernel = kernel_at(make_kernel("bicubic", 4), ratio)
        spent = {path: seconds(path, kernel, upscaler) for path in images_in(args.data)[: args.images]}
        if isinstance(kernel, RatioKernel):
            most = max(spent[path] / whole[path] for path in spent)
            print(f"×{ratio:g}: {sum(spent.values()) / sum(whole.values()):.2f} times as long, one image {most:.2f}")
        else:
            whole = spent


if __name__ == "__main__":
    main()
