"""`kill -9` at random in a batch, then `--skip-existing`: outputs must be whole and equal to an uninterrupted run's.

`python benchmarks/killed_batch.py --files 200 --kills 20`
"""

import argparse
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image

from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.operators import make_kernel
from mapsr_cli.zoo import Card, describe_kernel, save_model


def tiny_model(path: Path) -> None:
    config = {"scale": 4, "channels": 8, "blocks": 2, "colours": 3}
    kernel = describe_kernel(make_kernel("bicubic", 4))
    network = Compact(CompactConfig(**config))
    torch.nn.init.normal_(network.tail.weight, std=0.05)
    save_model(path, network, Card("tiny", "compact", config, kernel, "affine", "affmse"))


def pictures(folder: Path, count: int) -> None:
    folder.mkdir()
    for number in range(count):
        coarse = torch.rand(1, 3, 6, 8, generator=torch.Generator().manual_seed(number))
        smooth = 60 + 130 * torch.nn.functional.interpolate(coarse, (24, 32), mode="bicubic")[0].clamp(0, 1)
        Image.fromarray(smooth.byte().permute(1, 2, 0).contiguous().numpy()).save(folder / f"{number:03}.png")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=200)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    chance, scratch = random.Random(args.seed), Path(tempfile.mkdtemp())
    tiny_model(scratch / "tiny.safetensors")
    pictures(scratch / "in", args.files)

    def command(out: Path) -> list[str]:
        words = ["upscale", scratch / "in", "-o", out, "-m", scratch / "tiny.safetensors", "--skip-existing"]
        return [sys.executable, "-m", "mapsr_cli", *map(str, words)]

    def first_output(out: Path) -> float:
        while not (out.is_dir() and any(out.iterdir())):
            time.sleep(0.01)
        return time.perf_counter()

    out = scratch / "out"
    with subprocess.Popen(command(out), stdout=subprocess.DEVNULL) as whole:
        began = first_output(out)
    took = time.perf_counter() - began
    expected = contents(out)
    print(f"uninterrupted: {len(expected)} files, {took:.1f} s after the first", flush=True)
    wrong = 0
    for kill in range(args.kills):
        shutil.rmtree(out)
        with subprocess.Popen(command(out), stdout=subprocess.DEVNULL) as run:
            first_output(out)
            time.sleep(chance.uniform(0, took))
            run.kill()
        before = contents(out)
        bad = [name for name, data in before.items() if expected.get(name) != data]
        subprocess.run(command(out), stdout=subprocess.DEVNULL, check=True)
        after = contents(out)
        wrong += bool(bad) or after != expected
        print(
            f"kill {kill + 1}: {len(before)} files then, {len(bad)} wrong; equal in the end: {after == expected}",
            flush=True,
        )
    shutil.rmtree(scratch)
    print(f"{wrong} of {args.kills} went wrong")
    sys.exit(wrong > 0 or whole.returncode)


if __name__ == "__main__":
    main()
