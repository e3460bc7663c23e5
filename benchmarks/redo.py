"""50 pictures of all kinds through `mapsr upscale --report`, then `mapsr redo` with other tiles and threads.

    python benchmarks/redo.py --data DIR/Set14 DIR/Kodak24

Half are made in a process with two threads, in small tiles, and redone in one with one thread; the others the other way
round, in tiles chosen by memory. Fails unless all are the same to the bit.
"""

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mapsr_cli.imaging import Picture, write_picture

SIDE = 96
"""LR pixels of most pictures."""
Make = Callable[[Image.Image, Path], None]


@dataclass(frozen=True)
class Kind:
    """A kind of picture, and how it is upscaled."""

    suffix: str
    make: Make
    options: str = ""
    side: int = SIDE


def saved(mode: str = "RGB", **options: Any) -> Make:
    """Save in a mode of Pillow's, with its options."""

    def make(image: Image.Image, path: Path) -> None:
        if mode in ("RGBA", "LA"):
            image = image.convert(mode)
            image.putalpha(Image.linear_gradient("L").resize(image.size))
        image.convert(mode).save(path, **options)

    return make


def turned(orientation: int) -> Make:
    """Save as a JPEG that is to be turned."""
    exif = Image.Exif()
    exif[0x112] = orientation
    return saved(exif=exif.tobytes(), quality=90)


def moving(count: int = 3, **options: Any) -> Make:
    """Save as an animation, or as pages."""

    def make(image: Image.Image, path: Path) -> None:
        first, *others = (image.rotate(5 * n) for n in range(count))
        first.save(path, save_all=True, append_images=others, **options)

    return make


def deep(channels: int, alpha: bool = False) -> Make:
    """Save with 16 bits a sample."""

    def make(image: Image.Image, path: Path) -> None:
        pixels = torch.from_numpy(np.array(image.convert("RGB" if channels == 3 else "L"))).view(*image.size[::-1], -1)
        noise = torch.randint(0, 256, pixels.shape, generator=torch.Generator().manual_seed(0))
        levels = (256 * pixels.int() + noise).permute(2, 0, 1).to(torch.uint16)
        write_picture(path, Picture(levels, 65535, alpha=levels[:1].clone() if alpha else None))

    return make


def kinds(psf: Path) -> list[Kind]:
    """List 50 of them."""
    jpegs = [Kind("jpg", saved(quality=q, subsampling=s)) for q, s in ((30, 2), (60, 1), (75, 2), (90, 2), (95, 0))]
    orientations = [Kind("jpg", turned(n)) for n in range(2, 9)]
    sizes = ("--scale 2", "--scale 3", "--scale 1.37", "--scale 6", "--width 333", "--fit 400x300", "--megapixels 0.2")
    return [
        *(Kind("png", saved(), options) for options in ("", *sizes)),
        *(Kind("png", saved(), f"--kernel {name}") for name in ("lanczos3", "box", "gaussian9", f"file:{psf}")),
        Kind("png", saved(), "--strength 0.7"),
        Kind("png", saved(), "--consistency float"),
        Kind("png", saved(), "--precision fp32", side=200),
        Kind("png", saved(), "-m natural-x4-affgan"),
        Kind("png", saved(), "-m natural-x4-affgan-z --seed 3"),
        *jpegs,
        Kind("jpg", saved(quality=80, progressive=True)),
        Kind("jpg", saved("L", quality=80)),
        Kind("jpg", saved("CMYK", quality=80), "--format tif"),
        Kind("jpg", saved(quality=85), "--evidence levels", side=128),
        *orientations,
        Kind("png", saved("L")),
        Kind("png", saved("RGBA")),
        Kind("png", saved("LA"), "--format tif"),
        Kind("png", saved("P")),
        Kind("png", saved("1")),
        Kind("png", deep(3)),
        Kind("png", deep(1)),
        Kind("tif", deep(3, alpha=True), "--format tif"),
        Kind("tif", saved("CMYK", compression="tiff_lzw"), "--format tif"),
        Kind("tif", moving(), "--animate --format tif", side=60),
        Kind("gif", saved("P"), "--format webp"),
        Kind("gif", moving(duration=80), "--animate", side=60),
        Kind("png", moving(duration=80), "--animate --format webp", side=60),
        Kind("webp", saved(lossless=True), "--format bmp"),
        Kind("webp", saved(quality=70), "--format jpg --quality 90"),
        Kind("bmp", saved(), "--format avif"),
        Kind("avif", saved(quality=80)),
    ]


def photographs(folders: list[Path]) -> list[Path]:
    """List the pictures of the test sets."""
    return sorted(path for folder in folders for path in folder.iterdir() if path.suffix in (".png", ".jpg"))


def run_all(threads: int, commands: list[list[str]]) -> list[Any]:
    """Run commands in a process of its own with so many threads; returns their JSON documents, None of failed ones."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "passive"}
    command = [sys.executable, __file__, "--commands"]
    process = subprocess.run(command, env=environment, input=json.dumps(commands), stdout=subprocess.PIPE, text=True)
    found: list[Any] = json.loads(process.stdout)
    return found


def serve() -> None:
    """Run the commands on standard input, one after another, and print their JSON documents as one list."""
    from typer.testing import CliRunner

    from mapsr_cli.cli.app import app

    documents = []
    for words in json.load(sys.stdin):
        done = CliRunner().invoke(app, words)
        documents.append(json.loads(done.stdout) if done.exit_code == 0 else None)
        note = "" if done.exit_code == 0 else f": {done.output} {done.exception}"
        print(f"{' '.join(words[:2])}: {done.exit_code}{note}", file=sys.stderr, flush=True)
    json.dump(documents, sys.stdout)


def main() -> None:
    """Make them all, and make them again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, nargs="+")
    parser.add_argument("--commands", action="store_true")
    args = parser.parse_args()
    if args.commands:
        serve()
        return
    scratch = Path(tempfile.mkdtemp())
    np.save(psf := scratch / "psf.npy", np.outer([1, 2, 4, 5, 4, 2, 1], [1, 3, 5, 3, 1]))
    files, plans, same = photographs(args.data), kinds(psf), 0
    sources = []
    for number, kind in enumerate(plans):
        sources.append(scratch / f"{number:02} photograph.{kind.suffix}")
        with Image.open(files[number % len(files)]) as image:
            left, top = (max((side - kind.side) // 2, 0) for side in image.size)
            part = image.convert("RGB").crop((left, top, min(left + kind.side, image.width), top + kind.side - 7))
        kind.make(part, sources[-1])
    for threads, tile, chosen in ((2, "33", range(0, len(plans), 2)), (1, "auto", range(1, len(plans), 2))):
        options = {n: [*shlex.split(plans[n].options), "--tile", tile, "--report", "--json"] for n in chosen}
        made = run_all(threads, [["upscale", str(sources[n]), *options[n]] for n in chosen])
        reports = [document and document["results"][0]["report"] for document in made]
        redone = {n: ["redo", report, str(sources[n]), "--json"] for n, report in zip(chosen, reports, strict=True)}
        answers = run_all(3 - threads, [words for words in redone.values() if words[1] is not None])
        same += sum(bool(answer and answer["same"]) for answer in answers)
    print(f"{same} of {len(plans)} are the same to the bit")
    sys.exit(same < len(plans))


if __name__ == "__main__":
    main()
