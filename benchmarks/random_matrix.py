"""Random kernels × pictures × formats through `mapsr upscale` and `mapsr verify`: 0 crashes, 0 wrong claims.

    python benchmarks/random_matrix.py --cases 300 --seed 0

Every case draws a model, a kernel, a picture (photographs, noise, 1-bit dots, text, pixel art, …; grey, colour, alpha,
16 bits, palettes, CMYK; from 1×1 pixel on) and a format. Pillow reads the saved file (`png16.py` 16-bit PNG), and the A
of `independent_a.py` is applied to it. A claim is wrong if the share of samples that come back, or the largest error,
cannot be what JSON says, or if `verify` says otherwise. A refusal in one line is no crash; all are listed.
"""

import argparse
import json
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from independent_a import by_axes, by_point, within
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from png16 import read_png16, write_png16
from typer.testing import CliRunner

from mapsr_cli.cli.app import app
from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.operators import make_kernel
from mapsr_cli.zoo import Card, describe_kernel, save_model

Levels = NDArray[np.int64]
BUNDLED = {"natural-x4-affmse": "bicubic", "natural-x4-affgan": "bicubic", "natural-x4-affgan-gaussian9": "gaussian9"}
OUTPUTS = ("png", "png", "png", "tif", "webp", "bmp", "jpg", "avif")
MODES = ("L", "RGB", "RGB", "RGBA", "LA", "P", "1", "CMYK", "L16", "RGB16", "RGBA16")
KINDS = ("photograph", "photograph", "noise", "flat", "ends", "dots", "dither", "text", "art", "ramp")
PHOTOGRAPH = Path(__file__).parents[1] / "examples" / "chelsea.png"


@dataclass
class Case:
    """One row of the matrix."""

    number: int
    model: str
    scale: int
    kernel: str
    """As `--kernel` takes it; the model's own may be left out."""
    options: list[str]
    kind: str
    mode: str
    size: tuple[int, int]
    output: str
    sigma: float | None = None
    point: NDArray[np.float64] | None = None

    def describe(self) -> str:
        width, height = self.size
        picture = f"{self.kind} {self.mode} {width}×{height}"
        return (
            f"{self.number}: {Path(self.model).stem} ×{self.scale} {picture} → {self.output} {' '.join(self.options)}"
        )


def tiny_model(path: Path, scale: int) -> None:
    config = {"scale": scale, "channels": 8, "blocks": 2, "colours": 3}
    kernel = describe_kernel(make_kernel("bicubic", scale))
    network = Compact(CompactConfig(**config))
    torch.nn.init.normal_(network.tail.weight, std=0.05)
    save_model(path, network, Card(path.stem, "compact", config, kernel, "affine", "affmse"))


def draw_case(number: int, seed: int, folder: Path) -> Case:
    chance = random.Random(seed * 1_000_003 + number)
    if chance.random() < 0.4:
        model, scale = chance.choice(list(BUNDLED)), 4
        kernel = BUNDLED[model]
    else:
        scale = chance.choice((2, 3, 4, 8))
        model, kernel = str(folder / f"tiny{scale}.safetensors"), "bicubic"
    options, sigma, point = [], None, None
    name = chance.choice(("own", "bicubic", "lanczos3", "box", "gaussian", "gaussian", "point", "point"))
    if name == "gaussian":
        kernel, sigma = f"gaussian{chance.randint(1, 4 * scale + 1)}", round(chance.uniform(0.3, 0.6 * scale), 2)
        options = ["--kernel", kernel, "--sigma", str(sigma)]
    elif name == "point":
        point = draw_point(chance, scale)
        path = folder / f"point{number}.npy"
        np.save(path, point)
        options = ["--kernel", f"file:{path}"]
    elif name != "own":
        kernel = name
        options = ["--kernel", name]
    if chance.random() < 0.2:
        options += chance.choice((["--consistency", "float"], ["--consistency", "none"], ["--strength", "0.5"]))
    if chance.random() < 0.2:
        options += ["--tile", "16"]
    longest = 256 // scale
    size = (1, chance.randint(1, 9))
    if chance.random() < 0.8:
        size = (chance.randint(1, longest), chance.randint(1, longest))
    mode, output = chance.choice(MODES), chance.choice(OUTPUTS)
    if mode == "CMYK":
        output = "tif"  # the others hold what Pillow's profiles make of it
    elif mode in ("RGB16", "RGBA16") and output == "tif":
        output = "png"  # Pillow reads such a TIFF in 8 bits
    return Case(number, model, scale, kernel, options, chance.choice(KINDS), mode, size, output, sigma, point)


def draw_point(chance: random.Random, scale: int) -> NDArray[np.float64]:
    """Draw a blurred spot or streak, off-centre at times: weights [P, Q] > 0 without empty margins."""
    rows, cols = (chance.randint(scale, 3 * scale + 2) for _ in range(2))
    y, x = np.mgrid[:rows, :cols]
    middle = [(n - 1) / 2 + chance.uniform(-0.5, 0.5) for n in (rows, cols)]
    turn, long, short = chance.uniform(0, np.pi), chance.uniform(0.4, 0.5) * scale, chance.uniform(0.25, 0.45) * scale
    along = (y - middle[0]) * np.sin(turn) + (x - middle[1]) * np.cos(turn)
    beside = (y - middle[0]) * np.cos(turn) - (x - middle[1]) * np.sin(turn)
    weights = np.exp(-0.5 * ((along / long) ** 2 + (beside / short) ** 2)) + 1e-9
    return np.asarray(weights / weights.sum())


def draw_samples(case: Case, seed: int) -> Levels:
    """Draw colour and alpha [4, h, w] in 16 bits."""
    rng = np.random.default_rng((seed, case.number))
    width, height = case.size
    if case.kind == "photograph":
        with Image.open(PHOTOGRAPH) as image:
            left, top = (int(rng.integers(0, n - m + 1)) for n, m in zip(image.size, case.size, strict=True))
            grey = np.asarray(image.convert("RGB").crop((left, top, left + width, top + height)))
        colour = 257 * grey.transpose(2, 0, 1).astype(np.int64) + rng.integers(-99, 99, (3, height, width))
    elif case.kind == "text":
        page = Image.new("RGB", case.size, (250, 248, 240))
        ImageDraw.Draw(page).multiline_text((1, 1), "mapsr gives it\nback, bit for bit", (10, 10, 40))
        colour = 257 * np.asarray(page).transpose(2, 0, 1).astype(np.int64)
    else:
        y, x = np.mgrid[:height, :width]
        ramp = (x + y) / (width + height)
        drawings: dict[str, Callable[[], NDArray[Any]]] = {
            "noise": lambda: rng.random((3, height, width)),
            "flat": lambda: np.full((3, height, width), rng.random()),
            "ends": lambda: rng.integers(0, 2, (3, height, width)),
            "dots": lambda: np.broadcast_to((x % 4 < 2) & (y % 4 < 1 + 3 * ramp), (3, height, width)),
            "dither": lambda: np.broadcast_to(rng.random((height, width)) < ramp, (3, height, width)),
            "art": lambda: rng.integers(0, 4, (3, -(-height // 5), -(-width // 5))).repeat(5, 1).repeat(5, 2) / 3,
            "ramp": lambda: np.stack([ramp, 1 - ramp, ramp**2]),
        }
        colour = np.rint(65535 * drawings[case.kind]()[:, :height, :width]).astype(np.int64)
    alpha = 65535 * rng.integers(0, 3, (1, height, width)) // 2
    return np.concatenate([colour, alpha]).clip(0, 65535)


def write_input(case: Case, seed: int, folder: Path) -> Path:
    samples = draw_samples(case, seed)
    if case.mode.endswith("16"):
        channels = {"L16": [0], "RGB16": [0, 1, 2], "RGBA16": [0, 1, 2, 3]}[case.mode]
        path = folder / f"in{case.number}.png"
        path.write_bytes(write_png16(samples[channels]))
        return path
    image = Image.fromarray((samples // 257).astype(np.uint8).transpose(1, 2, 0), "RGBA")
    image = image.convert("RGB").quantize(16) if case.mode == "P" else image.convert(case.mode)
    path = folder / f"in{case.number}.{'tif' if case.mode == 'CMYK' else 'png'}"
    image.save(path)
    return path


def original_of(path: Path, case: Case, bands: str, peak: int) -> Levels:
    """Read the input as an output of those bands stores it: [C, h, w], alpha last."""
    if case.mode.endswith("16"):
        deep = read_png16(path.read_bytes())
        assert deep is not None
        samples = deep if peak == 65535 else np.rint(deep / 257).astype(np.int64)
        colour, alpha = (samples[:-1], samples[-1:]) if len(samples) in (2, 4) else (samples, None)
    else:
        with Image.open(path) as file:
            image = file.convert({"P": "RGB", "1": "L"}.get(file.mode, file.mode))
            samples = np.asarray(image).reshape(image.height, image.width, -1).transpose(2, 0, 1).astype(np.int64)
            colour, alpha = (samples[:-1], samples[-1:]) if image.mode in ("LA", "RGBA") else (samples, None)
    count = len(bands.removesuffix("A"))
    colour = colour.repeat(count, 0) if len(colour) == 1 and count == 3 else colour
    if bands in ("LA", "RGBA"):
        alpha = np.full((1, *colour.shape[1:]), peak) if alpha is None else alpha
        return np.concatenate([colour, alpha])
    return colour


def stored_by(path: Path) -> tuple[Levels, str, int]:
    """Read an output: levels [C, H, W], bands, peak."""
    if (deep := read_png16(path.read_bytes())) is not None:
        return deep, {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[len(deep)], 65535
    with Image.open(path) as image:
        peak = 65535 if image.mode.startswith("I;16") else 255
        samples = np.asarray(image).reshape(image.height, image.width, -1).transpose(2, 0, 1).astype(np.int64)
        return samples, "L" if peak > 255 else image.mode, peak


def check(case: Case, lr: Path, hr: Path, claim: dict[str, Any], verified: dict[str, Any]) -> str:
    """Hold the claims against A; return `right`, or what is wrong."""
    stored, bands, peak = stored_by(hr)
    original = original_of(lr, case, bands, peak)
    if stored.shape[0] != original.shape[0] or stored.shape[1:] != tuple(case.scale * n for n in original.shape[1:]):
        return f"stored {stored.shape} for an original of {original.shape}"
    low, high = np.empty_like(original), np.empty_like(original)
    for channel, plane in enumerate(stored):
        levels = (
            by_axes(plane, case.kernel, case.scale, case.sigma, peak)
            if case.point is None
            else by_point(plane, case.point, case.scale, peak)
        )
        low[channel], high[channel] = levels.low, levels.high
    counted = np.ones(original.shape, bool)
    if bands in ("LA", "RGBA"):
        counted[:-1] = original[-1:] > 0  # nobody sees the colour of transparent pixels
    for name, said in (("upscale", claim), ("verify", verified)):
        if wrong := within(original[counted], low[counted], high[counted], said["bit_exact"], said["worst_levels"]):
            return f"{name}: {wrong}"
    if verified["holds"] != (verified["bit_exact"] == 1):
        return f"verify says holds {verified['holds']} of a share of {verified['bit_exact']}"
    return "right"


def run_case(case: Case, seed: int, folder: Path) -> str:
    """Upscale, verify and check one case; return `right`, `refused: …` or what went wrong."""
    lr = write_input(case, seed, folder)
    hr = folder / f"out{case.number}.{case.output}"
    done = CliRunner().invoke(app, ["upscale", str(lr), "-o", str(hr), "-m", case.model, "--json", *case.options])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return "crash: " + "".join(traceback.format_exception(done.exception)[-3:])
    answer: dict[str, Any] = json.loads(done.stdout) if done.stdout else {"failed": [{"error": done.stderr}]}
    if done.exit_code:
        return "refused, yet written" if hr.exists() else f"refused: {answer['failed'][0]['error'].splitlines()[0]}"
    pairs = zip(case.options, case.options[1:], strict=False)
    named = [part for flag, value in pairs if flag in ("--kernel", "--sigma") for part in (flag, value)]
    named = named and [*named, "--scale", str(case.scale)]
    done = CliRunner().invoke(app, ["verify", str(lr), str(hr), "--json", *(named or ["-m", case.model])])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        return "crash of verify: " + "".join(traceback.format_exception(done.exception)[-3:])
    if not done.stdout:
        return f"verify refused: {done.stderr}"
    return check(case, lr, hr, answer["results"][0]["consistency"], json.loads(done.stdout))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=300)
    parser.add_argument("--first", type=int, default=0, help="number of the first case")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    outcomes, began = Counter[str](), time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        torch.manual_seed(args.seed)
        for scale in (2, 3, 4, 8):
            tiny_model(folder / f"tiny{scale}.safetensors", scale)
        for number in range(args.first, args.first + args.cases):
            case = draw_case(number, args.seed, folder)
            outcome = run_case(case, args.seed, folder)
            outcomes[outcome.partition(":")[0] if outcome.startswith("refused:") else outcome] += 1
            if outcome != "right":
                print(f"{case.describe()}\n    {outcome}", flush=True)
            if number % 50 == 49:
                print(f"{number + 1} cases, {time.perf_counter() - began:.0f} s", flush=True)
    wrong = sum(outcomes.values()) - outcomes["right"] - outcomes["refused"]
    print(f"{args.cases} cases: {outcomes['right']} right, {outcomes['refused']} refused in a line, {wrong} wrong")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
