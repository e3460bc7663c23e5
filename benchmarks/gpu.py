"""What a quarter of an hour of a GPU is for: whether everything runs on it, then a training that goes on next time.

    python benchmarks/gpu.py --data DIR --valid DIR [--out runs/gpu] [--minutes 12] [--hours 24] [--set KEY=VALUE …]

1. `upscale`: the default model on the first image of --valid, downscaled; against the CPU, in float32 and bfloat16.
2. `contract`: three steps of every method and prior, tiny, with saved weights that load; a run that was stopped ends as
   one that was not.
3. `train`: `mapsr train affmae` with --preset until --minutes are over, on a schedule of --hours of computing. The same
   line again skips what has passed on this device and goes on; so does `mapsr train affmae --out OUT/train --resume`.

Prints one JSON document; exits with 1 where something failed. --device cpu tries the script itself.
"""

import argparse
import json
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")  # as the command line has it
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState

from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.evaluation.protocol import pairs
from mapsr_cli.evaluation.validation import Validation
from mapsr_cli.inference import Upscaler
from mapsr_cli.networks import PRESETS
from mapsr_cli.training.assembly import open_run
from mapsr_cli.training.export import WEIGHTS
from mapsr_cli.training.journal import CsvJournal
from mapsr_cli.training.loop import Interrupted, Status
from mapsr_cli.training.processes import make_accelerator
from mapsr_cli.training.recipe import Recipe, make_recipe
from mapsr_cli.training.session import train_recipe
from mapsr_cli.training.settings import SectionValues, merge, parse_assignments
from mapsr_cli.zoo import DEFAULT_MODEL, find_model, load_model
from mapsr_cli.zoo.prior import load_prior

PASSED = "passed.json"
LEVELS = {"fp32": 1, "bf16": 4}
"""Largest difference from the CPU's float32 that a sample of 8 bits may have."""
RESUMED = 1e-3
"""Largest difference between weights of a run that was stopped and one that was not, relative to the largest weight:
sums on a GPU come in another order each time."""
TINY: SectionValues = {
    "generator": {"channels": 8, "blocks": 1},
    "discriminator": {"widths": [8, 8], "strides": [2, 2]},
    "denoiser": {"widths": [8, 8]},
    "density": {"kernels": [[3, 3], [3, 3]], "channels": 8, "components": 3, "scales": 2, "features": 4},
    "prior": {"steps": 2, "snapshots": 2},
    "data": {"batch": 2, "patch": [32, 32], "workers": 0},
    "loop": {"steps": 3, "warmup": 0, "log_steps": 1},
}


def fresh_accelerator(device: str, precision: str) -> Accelerator:
    """Make the accelerator of another run in this process."""
    AcceleratorState._reset_state(True)
    GradientState._reset_state()
    return make_accelerator(device, precision)


def upscale(device: str, valid: Path) -> dict[str, Any]:
    """Compare an upscaled picture with the CPU's; each is bit-exact where A of the truth is. Raises AssertionError."""
    model = load_model(find_model(DEFAULT_MODEL))
    lr = next(iter(pairs(valid, model.kernel))).lr.byte()
    expected, report = Upscaler(model, device="cpu", precision="fp32").upscale(lr)
    found: dict[str, Any] = {}
    for precision, most in LEVELS.items():
        upscaler = Upscaler(model, device=device, precision=precision)
        upscaler.upscale(lr)  # what is built once
        levels, result = upscaler.upscale(lr)
        away = int((levels.int() - expected.int()).abs().max())
        found[precision] = {
            "levels_from_cpu": away,
            "bit_exact": result.consistency.share,
            "seconds": {name: round(value, 4) for name, value in result.seconds.items()},
        }
        assert result.consistency.share >= report.consistency.share - 1e-3, found
        assert away <= most, found
    return found


def tiny_recipe(method: str, data: str, preset: str) -> Recipe:
    """Shrink a method's recipe to a test's size."""
    known = make_recipe(method, preset, {}, data).sections
    return make_recipe(method, preset, {name: value for name, value in TINY.items() if name in known}, data)


def contract(device: str, precision: str, data: str) -> dict[str, Any]:
    """Train every method and prior for three steps. Raises AssertionError where one does not do what it should."""
    seconds: dict[str, float] = {}
    for preset, methods in (("compact", (*METHODS, *PRIORS)), ("slim", ("affmae",))):
        for method in methods:
            with tempfile.TemporaryDirectory() as folder:
                began, place = time.perf_counter(), Path(folder) / "run"
                recipe = tiny_recipe(method, data, preset)
                run = train_recipe(recipe, place, fresh_accelerator(device, precision), lambda status: None)
                assert run.step == 3, method
                assert run.engine.skipped == 0, f"{method}: a loss that is not finite"
                (load_prior if recipe.is_prior else load_model)(place / WEIGHTS)
                seconds[f"{method} {preset}"] = round(time.perf_counter() - began, 2)
    return {"seconds": seconds, "resumed": resumed(device, precision, data)}


def resumed(device: str, precision: str, data: str) -> float:
    """Return how far a stopped run ends from one that was not, relative. Raises AssertionError above RESUMED."""
    recipe = tiny_recipe("affmae", data, "slim")
    ends = []
    with tempfile.TemporaryDirectory() as folder:
        for stops in (False, True):
            place = Path(folder) / str(stops)
            run = open_run(recipe, place, fresh_accelerator(device, precision))
            for step in range(3):
                run.advance()
                if stops and step == 1:
                    run.save()
                    run.close()
                    run = open_run(recipe, place, fresh_accelerator(device, precision))
                    assert run.step == 2
            run.close()
            ends.append(torch.cat([p.detach().flatten().cpu() for p in run.result.parameters()]))
    away = float((ends[0] - ends[1]).abs().max() / ends[0].abs().max())
    assert away <= RESUMED, f"a resumed run is off by {away:.2g}"
    return away


def training(args: argparse.Namespace, until: float) -> dict[str, Any]:
    """Train until `until` (of time.monotonic) or the schedule's end, from where the run stopped."""
    settings = merge(
        {"data": {"shrink": 4.0, "cache_mb": 8192}, "kernel": {"rounded": True}},
        {"loop": {"minutes": 60 * args.hours}, "criterion": {"rate": 1e-3, "muon_rate": 2e-3}},
        parse_assignments(args.set),
    )
    recipe = make_recipe("affmae", args.preset, settings, args.data)
    folder = args.out / "train"
    latest: dict[str, Any] = {}
    validator = Validation(args.valid, recipe["kernel"].make(), recipe["data"].patch)

    def watch(status: Status) -> None:
        latest.update(step=status.step, progress=round(status.progress, 4), **status.values)
        latest["images_per_second"] = round(status.images_per_second, 1)
        print(f"step {status.step}, {status.images_per_second:.1f} patches/s", file=sys.stderr)

    timer = threading.Timer(max(until - time.monotonic(), 1), os.kill, (os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        accelerator = fresh_accelerator(args.device, args.precision)
        train_recipe(recipe, folder, accelerator, watch, [CsvJournal], validator, args.compiled)
    except Interrupted:
        model = load_model(folder / WEIGHTS)
        latest["valid"] = validator.measure(model.estimator().to(args.device))
    finally:
        timer.cancel()
    return {"weights": str(folder / WEIGHTS), **latest}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True)
    parser.add_argument("--valid", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--preset", choices=PRESETS, default="slim")
    parser.add_argument("--minutes", type=float, default=12.0)
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--compile", dest="compiled", action="store_true")
    parser.add_argument("--set", action="append", default=[])
    args = parser.parse_args()
    until = time.monotonic() + 60 * args.minutes
    args.out.mkdir(parents=True, exist_ok=True)
    cuda = args.device.startswith("cuda") and torch.cuda.is_available()
    told: dict[str, Any] = {"device": torch.cuda.get_device_name() if cuda else args.device, "torch": torch.__version__}
    passed = args.out / PASSED
    if not (passed.exists() and json.loads(passed.read_text()) == told):
        checks: dict[str, Callable[[], dict[str, Any]]] = {
            "upscale": lambda: upscale(args.device, args.valid),
            "contract": lambda: contract(args.device, args.precision, args.data),
        }
        results: dict[str, Any] = {}
        for name, check in checks.items():
            try:
                results[name] = check()
            except Exception as error:  # a report on what else works is worth more than a traceback alone
                results[name] = {"failed": f"{type(error).__name__}: {error}"}
        print(json.dumps({**told, **results}, indent=2))
        if any("failed" in result for result in results.values()):
            return 1
        passed.write_text(json.dumps(told))
    print(json.dumps({**told, "train": training(args, until - 20)}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
