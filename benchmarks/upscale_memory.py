"""Peak memory and time of `mapsr upscale` by output size, each size in a process of its own.

`python benchmarks/upscale_memory.py --megapixels 0.25 4 25 100 [--scale 3.97]`; the bound is 1 GB + 16 bytes per output
pixel.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image

from mapsr_cli.inference.memory import BOUND
from mapsr_cli.zoo import DEFAULT_MODEL

PHOTO = Path(__file__).parents[1] / "examples" / "coffee.png"


def picture(side: int, deep: bool, path: Path) -> None:
    """Save a photograph enlarged and mirrored to side × side: as smooth as images of large sensors."""
    with Image.open(PHOTO) as photo:
        enlarged = photo.resize((2 * photo.width, 2 * photo.height), Image.Resampling.BICUBIC)
    mirrored = Image.new("RGB", (2 * enlarged.width, 2 * enlarged.height))
    turns = (None, Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM, Image.Transpose.ROTATE_180)
    for index, turn in enumerate(turns):
        part = enlarged if turn is None else enlarged.transpose(turn)
        mirrored.paste(part, ((index % 2) * enlarged.width, (index // 2) * enlarged.height))
    whole = Image.new("RGB", (side, side))
    for top in range(0, side, mirrored.height):
        for left in range(0, side, mirrored.width):
            whole.paste(mirrored, (left, top))
    if not deep:
        whole.save(path)
        return
    import numpy as np

    from mapsr_cli.imaging import Picture, write_picture

    levels = torch.from_numpy(np.array(whole)).permute(2, 0, 1).int() * 257
    write_picture(path, Picture(levels.to(torch.uint16), 65535))


@dataclass(frozen=True)
class Measured:
    """One run of the command line."""

    pixels: int
    """Of the output."""
    peak: int
    """Bytes of resident memory, at most."""
    seconds: dict[str, float]
    """As in the JSON document."""
    bit_exact: float

    @property
    def bound(self) -> float:
        """Bytes."""
        return BOUND[0] + BOUND[1] * self.pixels

    @property
    def per_megapixel(self) -> float:
        """Seconds."""
        return self.seconds["total"] / self.pixels * 1e6


def measure(megapixels: float, scale: float, model: str, deep: bool, folder: Path) -> Measured:
    side = round(math.sqrt(megapixels * 1e6) / scale)
    source, target = folder / "in.png", folder / "out.png"
    picture(side, deep, source)
    command = [sys.executable, "-m", "mapsr_cli", "upscale", source, "-o", target, "-m", model, "--overwrite", "--json"]
    command += ["--scale", scale]
    with subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    result = json.loads(output)["results"][0]
    exact = result["consistency"]["bit_exact"]
    return Measured(math.prod(result["size"]), usage.ru_maxrss * 1024, result["seconds"], exact)


def report(m: Measured, deep: bool) -> None:
    spent = ", ".join(f"{name} {m.seconds[name]:.1f} s" for name in ("network", "project", "encode"))
    print(
        f"{m.pixels / 1e6:7.2f} MP, {'16' if deep else '8'} bits: peak {m.peak / 1e9:.2f} GB, "
        f"{m.peak / m.bound:.0%} of the bound; {m.per_megapixel:.2f} s per megapixel ({spent}); "
        f"bit_exact {m.bit_exact:.6f}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, nargs="+", default=[0.25, 4, 25, 100])
    parser.add_argument("--scale", type=float, default=4)
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--deep", action="store_true", help="16 bits a sample")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for megapixels in args.megapixels:
            report(measure(megapixels, args.scale, args.model, args.deep, Path(folder)), args.deep)


if __name__ == "__main__":
    main()
