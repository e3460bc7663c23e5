"""What `mapsr upscale` costs, part by part, against the fastest convolution this machine does in the same run.

`python benchmarks/upscale.py --data DIR/Kodak24 --set5 DIR/Set5 [--large]`. Times are the best of a few, by the clock
that counts this process's own work, on torch's default number of threads. A shared processor's pace may change by half
from one second to the next, and be twice as high in the first tenths of a second: so the fastest convolution is kept
running for a second before and after every tile of the network.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from itertools import product, starmap
from pathlib import Path

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line has it
import torch
from convolution import Convolution, clock, seconds
from other_tools import compare_tools
from torch import Tensor, nn
from upscale_memory import measure

from mapsr_cli.evaluation.protocol import PEAK, images_in, make_pair
from mapsr_cli.imaging import Picture, encode, read_picture
from mapsr_cli.inference import Upscaler
from mapsr_cli.inference.comparison import difference
from mapsr_cli.inference.devices import choose_dtype
from mapsr_cli.inference.level_upscaler import LevelUpscaler
from mapsr_cli.inference.projection import chunks_for, project, residual_of
from mapsr_cli.networks import Affine
from mapsr_cli.operators import LevelCube, Point, downsampling, make_strips, mend, to_levels
from mapsr_cli.zoo import DEFAULT_MODEL, find_model, load_model

SIDE = 1000
"""LR pixels a side: one megapixel."""
CHANNELS, SIDES = (64, 128, 256), (64, 128, 256)
MOST = 64 * 64 * 256 * 256 * 2
"""Of channels² × pixels: larger ones take long and are no faster."""


def fastest_convolution() -> Convolution:
    """Find the fastest by the median of three rounds, since the processor's clock rate varies."""
    sides = product((torch.float32, torch.bfloat16), (torch.channels_last, torch.contiguous_format), CHANNELS, SIDES)
    kinds = [c for c in starmap(Convolution, sides) if c.work <= MOST]
    rounds = [[c.sustained(0.2) for c in kinds] for _ in range(3)]
    return max(zip(kinds, zip(*rounds, strict=True), strict=True), key=lambda measured: sorted(measured[1])[1])[0]


def multiply_adds(network: nn.Module) -> int:
    """Count multiply-adds per LR pixel."""
    return sum(module.weight.numel() for module in network.modules() if isinstance(module, nn.Conv2d))


def one_megapixel(folder: Path | None, upscaler: LevelUpscaler, peak: int) -> Tensor:
    """Make LR levels [3, 1000, 1000]: A of photographs side by side, or an example mirrored."""
    if folder is None:
        photo = read_picture(Path(__file__).parents[1] / "examples" / "coffee.png").levels
        tile = torch.cat([photo, photo.flip(2)], 2)
        tile = torch.cat([tile, tile.flip(1)], 1)
        repeats = [math.ceil(SIDE / n) for n in tile.shape[1:]]
        lr = tile.repeat(1, *repeats)[:, :SIDE, :SIDE].double() * (peak / 255)
    else:
        photos = [make_pair(path, upscaler.kernel).hr for path in images_in(folder)]
        low, wide = (min(photo.shape[axis] for photo in photos) for axis in (1, 2))
        side, per_row = upscaler.kernel.scale * SIDE, math.ceil(upscaler.kernel.scale * SIDE / wide)
        count = per_row * math.ceil(side / low)
        cut = [photos[index % len(photos)][:, :low, :wide] for index in range(count)]
        rows = [torch.cat(cut[at : at + per_row], 2) for at in range(0, count, per_row)]
        hr = torch.cat(rows, 1)[:, :side, :side].double() * (peak / 255)
        lr = downsampling(upscaler.kernel, (side, side), torch.float64).down(hr)
    return to_levels(lr, peak).int().to(torch.uint8 if peak == 255 else torch.uint16)


def estimated(x: Tensor, upscaler: LevelUpscaler, fastest: Convolution) -> tuple[Tensor, float, float]:
    """Return f(x), the network's seconds, and the multiply-adds that the fastest convolution does in that time."""
    took, possible, pace, began = 0.0, 0.0, fastest.sustained(), clock()

    def tile_done(stage: str, done: int, total: int) -> None:
        nonlocal took, possible, pace, began
        spent, before = clock() - began, pace
        pace = fastest.sustained()
        took, possible = took + spent, possible + spent * (before + pace) / 2
        began = clock()

    return upscaler.estimate(x, tile_done), took, possible


@torch.inference_mode()
def parts(lr: Tensor, peak: int, upscaler: LevelUpscaler, fastest: Convolution) -> None:
    """Measure each part of upscaling one picture by itself."""
    file = encode(Picture(lr, peak), "PNG", None, None)
    strips = make_strips(upscaler.operator(lr.shape[1], lr.shape[2], peak))
    strips.op.inverse_gram(torch.zeros(strips.op.lr_size, dtype=strips.dtype))  # set-up
    x, s = lr.to(strips.dtype), upscaler.kernel.scale
    upscaler.estimate(x[:, :64, :64].float() / peak)
    times = {"decode": seconds(lambda: read_picture(file))}
    f, network, possible = estimated(x.float() / peak, upscaler, fastest)
    projections = []
    for _ in range(3):
        chunks = chunks_for(strips, len(f))
        chunks.write(slice(0, f.shape[1]), slice(0, f.shape[2]), f.shape[2], f, times=peak)
        began = clock()
        projected = project(strips, chunks, Affine(upscaler.kernel), Point(x), x, peak)
        projections.append(clock() - began)
    times["projection"], levels = min(projections), projected.levels
    began = clock()
    mended = mend(levels, LevelCube(x, peak), residual_of(strips, levels, x), upscaler.kernel)
    times["round trip"] = clock() - began
    image, wrong = levels.image, 0

    def check() -> None:
        nonlocal wrong
        wrong = int(torch.count_nonzero(difference(image, lr, upscaler.kernel, peak)))

    times["check"] = seconds(check, 2)
    times["encode"] = seconds(lambda: encode(Picture(image, peak), "PNG", None, None), 1)
    work = multiply_adds(upscaler.network.network) * lr[0].numel()
    size = f"{lr.shape[2]}×{lr.shape[1]} → {s * lr.shape[2]}×{s * lr.shape[1]}, {8 if peak == 255 else 16} bits"
    print(f"\n{size}: network {network:.2f} s, {work / network / 1e9:.1f} G multiply-adds/s, ", end="")
    print(f"{work / possible:.0%} of what the fastest convolution did meanwhile")
    print("| part | s | of the network's |\n|---|---|---|")
    for name, took in times.items():
        print(f"| {name} | {took:.3f} | {took / network:.1%} |")
    both = times["projection"] + times["round trip"] + times["check"]
    print(f"| projection, round trip and check | {both:.3f} | {both / network:.1%} |")
    print(f"{mended.windows} windows, {wrong} of {lr.numel()} samples not given back", flush=True)


def warm_start(repeats: int = 5) -> None:
    """Time the command line on a 256² photograph, less what importing torch and the inference itself take."""
    photo = read_picture(Path(__file__).parents[1] / "examples" / "coffee.png").levels[:, :256, :256]
    rest, bare = [], []
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "in.png", Path(folder) / "out.png"
        source.write_bytes(encode(Picture(photo.contiguous()), "PNG", None, None))
        command = [
            sys.executable,
            "-m",
            "mapsr_cli",
            "upscale",
            str(source),
            "-o",
            str(target),
            "--overwrite",
            "--json",
        ]
        for _ in range(repeats + 1):  # the first writes bytecode and fills the cache of files
            bare.append(_process([sys.executable, "-c", "import torch"])[0])
            whole, output = _process(command)
            seconds_of = json.loads(output)["results"][0]["seconds"]
            rest.append(whole - seconds_of["network"] - seconds_of["project"])
    over = min(rest[1:]) - min(bare[1:])
    print(
        f"\nwarm start to finish, 256²: {over:+.2f} s beyond `import torch` ({min(bare[1:]):.2f} s) and the inference"
    )


def _process(command: list[str]) -> tuple[float, str]:
    """Run a command; return wall seconds and standard output."""
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return time.perf_counter() - began, done.stdout


def growth(megapixels: list[float]) -> None:
    """Print seconds per megapixel of output, and peak memory."""
    print(
        "\n| output | s per megapixel | against 4 MP | peak memory | of 1 GB + 16 B per pixel |\n|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        measured = {size: measure(size, 4, DEFAULT_MODEL, False, Path(folder)) for size in megapixels}
    for size, m in measured.items():
        against = m.per_megapixel / measured[4].per_megapixel
        print(
            f"| {size:g} MP | {m.per_megapixel:.2f} | {against:.2f} | {m.peak / 1e9:.2f} GB | {m.peak / m.bound:.0%} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder of photographs to make 1 MP of; without, an example mirrored")
    parser.add_argument("--set5", type=Path, help="folder of HR images to compare tools on")
    parser.add_argument("--node-modules", type=Path, help="where npm put @upscalerjs/esrgan-slim and @tensorflow/tfjs")
    parser.add_argument("--large", action="store_true", help="up to 100 megapixels of output, which takes minutes")
    args = parser.parse_args()
    growth([0.25, 4, 25, 100] if args.large else [0.25, 4])  # first: a child's memory counts from its parent's on
    warm_start()
    dtype = choose_dtype("auto", "cpu")
    load = " ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"\ntorch {torch.__version__}, {torch.get_num_threads()} threads, load {load}, network in {dtype}")
    fastest = fastest_convolution()
    print(f"fastest convolution ({fastest}), G multiply-adds/s: ", end="")
    print(f"{fastest.pace() / 1e9:.1f} at best, {fastest.sustained() / 1e9:.1f} over a second", flush=True)
    upscaler = LevelUpscaler(load_model(find_model(DEFAULT_MODEL)), dtype=dtype)
    for peak in (int(PEAK), 65535):
        parts(one_megapixel(args.data, upscaler, peak), peak, upscaler, fastest)
    if args.set5:
        compare_tools(args.set5, Upscaler(), args.node_modules, clock)


if __name__ == "__main__":
    main()
