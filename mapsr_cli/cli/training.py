"""What `mapsr train` does: a recipe from what the user gave, then prior, run, loop."""

import math
import shlex
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import typer

from mapsr_cli.cli.display import training_display
from mapsr_cli.cli.report import say
from mapsr_cli.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from mapsr_cli.evaluation.validation import Validation
    from mapsr_cli.training.journal import Journal
    from mapsr_cli.training.recipe import Recipe
    from mapsr_cli.training.session import Plan
    from mapsr_cli.training.settings import Settings

TOY_DATA = {"swissroll": "swissroll:"}
"""Presets whose data are drawn, not read."""
DEFAULT_MINUTES = 60.0
"""Length of a run that was given none."""


def flags(**given: Any) -> "Settings":
    """Options that have a name of their own, as settings by section."""
    places = {
        "kernel": ("kernel", "name"),
        "sigma": ("kernel", "sigma"),
        "scale": ("kernel", "scale"),
        "projection": ("constraint", "projection"),
        "pinv": ("constraint", "pinv"),
        "batch": ("data", "batch"),
        "patch": ("data", "patch"),
        "steps": ("loop", "steps"),
        "minutes": ("loop", "minutes"),
        "noise_dim": ("generator", "noise_dim"),
    }
    settings: dict[str, dict[str, Any]] = {}
    for name, value in given.items():
        if value is None or name == "seed":
            continue
        section, field = places[name]
        settings.setdefault(section, {})[field] = value
    if (patch := given.get("patch")) is not None:
        settings["data"]["patch"] = (patch, patch)
    if given.get("pinv") is not None:
        settings["constraint"]["pinv"] = str(given["pinv"])
    if (seed := given.get("seed")) is not None:
        settings.setdefault("data", {})["seed"] = settings.setdefault("loop", {})["seed"] = seed
    return settings


@dataclass(frozen=True)
class Request:
    """What the user asked for."""

    method: str
    location: str | None
    out: Path | None
    resume: bool
    config: Path | None
    assignments: list[str]
    flags: "Settings"
    preset: str | None
    valid: Path | None
    device: str
    precision: str
    compiled: bool
    init: str | None
    log: str
    quiet: bool


def need_extra(module: str, extra: str) -> None:
    """Refuse to go on without an optional package, and say how to get it."""
    if find_spec(module) is None:
        raise MissingExtraError("training" if extra == "train" else "pictures", extra)


def plan(request: Request) -> "Plan":
    """From options, TOML and preset; or, with --resume, from what the run wrote down when it began."""
    from mapsr_cli.networks import DEFAULT_PRESET
    from mapsr_cli.training.recipe import make_recipe
    from mapsr_cli.training.session import RECIPE, Plan
    from mapsr_cli.training.settings import merge, parse_assignments, read_settings

    if request.resume:
        return _resumed(request)
    preset = request.preset or DEFAULT_PRESET
    init = _init(request)
    layers = [_network_of(init, request.method, preset)] if init is not None else []
    if request.config is not None:
        layers.append(read_settings(request.config))
    settings = merge(*layers, parse_assignments(request.assignments), request.flags)
    if not {"steps", "minutes"} & settings.get("loop", {}).keys():
        settings = merge(settings, {"loop": {"minutes": DEFAULT_MINUTES}})
        say(f"no --steps and no --minutes: the run ends after {DEFAULT_MINUTES:g} minutes")
    location = request.location or TOY_DATA.get(preset)
    if location is None:
        raise UsageError("no data to train on", "--data takes a folder of images, a list file or tar shards")
    folder = request.out or Path("runs") / f"{request.method}-{preset}"
    if (folder / RECIPE).exists():
        raise UsageError(f"{folder} already holds a run", "--resume goes on with it; --out names another folder")
    return Plan(make_recipe(request.method, preset, settings), folder, location, init)


def _resumed(request: Request) -> "Plan":
    """The run's own recipe; only its length may be given anew."""
    from mapsr_cli.networks import DEFAULT_PRESET
    from mapsr_cli.training.session import Plan
    from mapsr_cli.training.settings import apply

    folder = request.out or Path("runs") / f"{request.method}-{request.preset or DEFAULT_PRESET}"
    length = {k: v for k, v in request.flags.get("loop", {}).items() if k in ("steps", "minutes")}
    if (
        request.assignments
        or request.config
        or request.init
        or request.flags.keys() - {"loop"}
        or len(length) < len(request.flags.get("loop", {}))
    ):
        raise UsageError(
            "--resume takes its settings from the run itself", "only --steps, --minutes and --data may be given again"
        )
    begun = Plan.read(folder)
    if begun.recipe.method != request.method:
        raise UsageError(f"{folder} holds a run of {begun.recipe.method}, not of {request.method}")
    longer = {**begun.recipe.sections, "loop": apply(begun.recipe.loop, length, "loop")}
    return replace(begun, recipe=replace(begun.recipe, sections=longer), location=request.location or begun.location)


def session(request: Request) -> dict[str, Any] | None:
    """Train to the end; what `--json` prints, in the main process: None in others, which have nothing to say.

    A signal ends it with exit code 130 and a run that can be resumed.
    """
    need_extra("accelerate", "train")
    import torch

    from mapsr_cli.training.assembly import leave, make_accelerator
    from mapsr_cli.training.journal import journal_kinds
    from mapsr_cli.training.loop import Interrupted
    from mapsr_cli.training.session import conduct, open_plan, tasks_of

    torch.set_flush_denormal(True)
    kinds = journal_kinds(request.log)
    made = plan(request)
    validation = _validation(request, made.recipe)
    accelerator = make_accelerator(request.device, request.precision)
    main = accelerator.is_main_process
    with training_display(request.quiet or not main) as watch:
        try:
            run, data = open_plan(made, accelerator, watch, request.compiled)
        except Interrupted as stop:
            leave(accelerator)
            _stopped("stopped and saved in the first stage; the same command goes on with it", main, stop)
        before = run.seconds
        journals: list[Journal] = [kind(made.folder, run.step) for kind in kinds] if main else []
        try:
            figures = conduct(run, data, tasks_of(made, run, watch, journals, validation))
            leave(accelerator)
        except Interrupted as stop:
            leave(accelerator)
            _stopped(f"stopped and saved at step {run.step}; go on with: {_again(request, made.folder)}", main, stop)
    if not main:
        return None
    if skipped := data.report.corrupt + data.report.small:
        say(f"{skipped} of {data.report.found} images were left out: damaged, or too small for a patch")
    images = run.engine.images * accelerator.num_processes
    return {
        "run": str(made.folder),
        "weights": str(made.folder / "weights.safetensors"),
        "steps": run.step,
        "seconds": round(run.seconds, 3),
        "images_per_second": round(images / max(run.seconds - before, 1e-9), 3),
        "valid": {
            name.removeprefix("valid/"): value if math.isfinite(value) else None for name, value in figures.items()
        },
    }


def _again(request: Request, folder: Path) -> str:
    """The command that goes on: the recipe does not hold how this machine computes, nor what it validates on."""
    given = {"--valid": request.valid, "--device": request.device, "--precision": request.precision}
    words = ["mapsr", "train", request.method, "--out", str(folder), "--resume"]
    for name, value in given.items():
        if value not in (None, "auto"):
            words += [name, str(value)]
    if request.compiled:
        words.append("--compile")
    return shlex.join(words)


def _stopped(line: str, main: bool, stop: KeyboardInterrupt) -> NoReturn:
    if main:
        say(line)
    raise typer.Exit(130) from stop


def _init(request: Request) -> Path | None:
    from mapsr_cli.zoo import find_model

    return find_model(request.init) if request.init is not None else None


def _network_of(init: Path, method: str, preset: str) -> "Settings":
    """The generator's settings as the weights to start from have them, if the preset's is of that kind."""
    from mapsr_cli.criteria.methods import METHODS
    from mapsr_cli.networks import PRESETS, architecture_of
    from mapsr_cli.zoo import load_model

    if method not in METHODS or preset not in PRESETS:
        return {}
    card = load_model(init).card
    alike = architecture_of(PRESETS[preset].generator) == card.architecture
    return {"generator": dict(card.config)} if alike else {}


def _validation(request: Request, recipe: "Recipe") -> "Validation | None":
    if request.valid is None:
        return None
    from mapsr_cli.evaluation.validation import Validation
    from mapsr_cli.operators import make_kernel

    # A prior looks at HR alone: which kernel makes the LR twins that nobody sees does not matter.
    kernel = recipe["kernel"].make() if "kernel" in recipe.sections else make_kernel("box", 2)
    return Validation(request.valid, kernel, recipe["data"].patch)
