"""Options → recipe → run: what `mapsr train` makes of what the user gave."""

import math
import shlex
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from mapsr_cli.cli.display import training_display
from mapsr_cli.cli.report import say
from mapsr_cli.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from mapsr_cli.evaluation.validation import Validation
    from mapsr_cli.networks import NetworkCode
    from mapsr_cli.training.recipe import Recipe
    from mapsr_cli.training.run import Run
    from mapsr_cli.training.settings import SectionValues

TOY_DATA = {"swissroll": "swissroll:"}
"""Presets whose data are drawn, not read."""
DEFAULT_MINUTES = 60.0
"""Length of a run that was given none."""


def flags(**given: Any) -> "SectionValues":
    """Return options that have a name of their own as settings by section."""
    places = {
        "kernel": ("kernel", "name"),
        "sigma": ("kernel", "sigma"),
        "scale": ("kernel", "scale"),
        "projection": ("constraint", "projection"),
        "pinv": ("constraint", "pinv"),
        "batch": ("data", "batch"),
        "patch": ("data", "patch"),
        "pairs": ("data", "pairs"),
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


def need_extra(module: str, extra: str) -> None:
    """Raise MissingExtraError, which says how to get it, where an optional package is not installed."""
    if find_spec(module) is None:
        raise MissingExtraError("training" if extra == "train" else "pictures", extra)


def run_folder(method: str, preset: str | None, out: Path | None) -> Path:
    """Return the run's folder: `out`, or runs/METHOD-PRESET."""
    from mapsr_cli.networks import DEFAULT_PRESET

    return out or Path("runs") / f"{method}-{preset or DEFAULT_PRESET}"


def new_recipe(
    folder: Path,
    method: str,
    preset: str | None,
    location: str | None,
    init: str | None,
    config: Path | None,
    assignments: list[str],
    given: "SectionValues",
    network: str | None,
) -> "Recipe":
    """Make the recipe of a run that begins in `folder`, from options, TOML, --init and preset, the first to say.

    `network`: as `name_network` takes it. Raises UsageError without data, in the folder of another run, and as
    `make_recipe` does.
    """
    from mapsr_cli.networks import DEFAULT_PRESET, PRESETS, name_network
    from mapsr_cli.training.defaults import DEFAULTS
    from mapsr_cli.training.recipe import RECIPE, make_recipe
    from mapsr_cli.training.settings import merge, parse_assignments, read_settings
    from mapsr_cli.zoo import find_model

    preset = preset or DEFAULT_PRESET
    start = find_model(init) if init is not None else None
    code = name_network(network) if network is not None else None
    layers = [_network_of(start, method, preset, code)] if start is not None else []
    if config is not None:
        layers.append(read_settings(config))
    settings = merge(*layers, parse_assignments(assignments), given)
    if not {"steps", "minutes"} & settings.get("loop", {}).keys():
        settings = merge(settings, {"loop": {"minutes": DEFAULT_MINUTES}})
        say(f"no --steps and no --minutes: the run ends after {DEFAULT_MINUTES:g} minutes")
    location = location or TOY_DATA.get(preset)
    if location is None:
        raise UsageError("no data to train on", "--data takes a folder of images, a list file or tar shards")
    if (folder / RECIPE).exists():
        raise UsageError(f"{folder} already holds a run", "--resume goes on with it; --out names another folder")
    recipe = make_recipe(method, preset, settings, location, start, code)
    _check_pairs(recipe, settings, location)
    asked = merge(DEFAULTS.get(preset, {}).get(method, {}), settings)
    wanted = tuple(asked.get("data", {}).get("patch", PRESETS[preset].patch))
    if wanted != recipe["data"].patch:
        patch = "×".join(map(str, recipe["data"].patch))
        say(f"patches have {patch} pixels instead of {'×'.join(map(str, wanted))}: a multiple of the scale")
    return recipe


def _check_pairs(recipe: "Recipe", settings: "SectionValues", location: str) -> None:
    """Raise UsageError where small pictures are files and A, which a constraint needs, is not said to be theirs."""
    from mapsr_cli.criteria.methods import METHODS

    pairs = recipe["data"].pairs
    if pairs is None:
        return
    if recipe.is_prior:
        raise UsageError(f"{recipe.method} learns from large pictures alone", "leave out --pairs")
    if METHODS[recipe.method].constraint != "none" and "name" not in settings.get("kernel", {}):
        raise UsageError(
            f"{recipe.method} needs the kernel that made the small pictures of {pairs}",
            f"mapsr fit-kernel --lr {shlex.quote(pairs)} --hr {shlex.quote(location)} -o psf.npy finds it: "
            "then --kernel file:psf.npy",
        )


def resumed_recipe(
    folder: Path,
    method: str,
    preset: str | None,
    location: str | None,
    given: "SectionValues",
    fixed: bool,
    network: str | None,
) -> "Recipe":
    """Read the recipe of the run in `folder`; only its length and its data's place may be given anew.

    `fixed`: whether settings were given that cannot change; `network` is named again, as `name_network` takes it.
    Raises UsageError for those, and for another run's folder.
    """
    from mapsr_cli.networks import name_network
    from mapsr_cli.training.recipe import read_recipe
    from mapsr_cli.training.settings import apply

    length = given.get("loop", {})
    if fixed or given.keys() - {"loop"} or length.keys() - {"steps", "minutes"}:
        raise UsageError(
            "--resume takes its settings from the run itself", "only --steps, --minutes and --data may be given again"
        )
    code = name_network(network) if network is not None else None
    begun = read_recipe(folder, code)
    if code is not None and begun.network is not None and code.sha256 != begun.network.sha256:
        say(f"{begun.network.place} has changed since the run began: it goes on with the code as it is now")
    if begun.method != method:
        raise UsageError(f"{folder} holds a run of {begun.method}, not of {method}")
    if preset not in (None, begun.preset):
        raise UsageError(f"{folder} holds a run with --preset {begun.preset}, not {preset}")
    longer = {**begun.sections, "loop": apply(begun.loop, length, "loop")}
    return replace(begun, sections=longer, location=location or begun.location)


def run_training(
    recipe: "Recipe",
    folder: Path,
    valid: Path | None,
    device: str,
    precision: str,
    compiled: bool,
    log: str,
    quiet: bool,
    network: str | None = None,
) -> "Run | None":
    """Train to the end; return the run in the main process, None in others, which have nothing to say.

    A signal ends it with exit code 130 and a run that can be resumed.
    """
    need_extra("accelerate", "train")
    import torch

    from mapsr_cli.training.journal import journal_kinds
    from mapsr_cli.training.loop import Interrupted
    from mapsr_cli.training.processes import joined, make_accelerator
    from mapsr_cli.training.session import train_recipe

    torch.set_flush_denormal(True)
    logs = journal_kinds(log)
    validation = _validation(valid, recipe)
    accelerator = make_accelerator(device, precision)
    main = accelerator.is_main_process
    try:
        with training_display(quiet or not main, "reading data") as watch, joined(accelerator):
            run = train_recipe(recipe, folder, accelerator, watch, logs, validation, compiled, say)
    except Interrupted as stop:
        if main:
            again = _again(recipe.method, folder, valid, device, precision, compiled, network)
            say(
                f"stopped and saved at step {stop.step}; go on with: {again}"
                if stop.folder == folder
                else "stopped and saved in the first stage; the same command goes on with it"
            )
        raise typer.Exit(130) from stop
    if not main:
        return None
    if run.data is not None and (skipped := run.data.report.corrupt + run.data.report.small):
        say(f"{skipped} of {run.data.report.found} images were left out: damaged, or too small for a patch")
    if not quiet:
        _tell(run, recipe, validation, network)
    return run


def _tell(run: "Run", recipe: "Recipe", validation: "Validation | None", network: str | None) -> None:
    """Say how long it took, how good it became, and how to use it."""
    from mapsr_cli.training.export import WEIGHTS

    say(f"{run.step} steps in {run.seconds / 60:.1f} minutes")
    if validation is not None and "psnr_y" in run.figures:
        say(f"{validation.name} {run.figures['psnr_y']:.2f} dB (bicubic {validation.bicubic():.2f})")
    weights = shlex.quote(str(run.folder / WEIGHTS))
    if recipe.is_prior:
        guided = "affdg" if recipe.method == "denoiser" else "affll"
        say(f"to follow it: mapsr train {guided} --set prior.run={shlex.quote(str(run.folder))}")
    else:
        named = recipe.network is not None and recipe.network.architecture.startswith("own:")
        code = f" --network {shlex.quote(network or '')}" if named else ""
        say(f"to use it: mapsr upscale photo.png -m {weights}{code}")


def report_of(run: "Run") -> dict[str, Any]:
    """Return what `--json` prints of a run that ended."""
    from mapsr_cli.training.export import WEIGHTS

    return {
        "run": str(run.folder),
        "weights": str(run.folder / WEIGHTS),
        "steps": run.step,
        "seconds": round(run.seconds, 3),
        "images_per_second": round(run.images_per_second, 3),
        "valid": {name: value if math.isfinite(value) else None for name, value in run.figures.items()},
    }


def _again(
    method: str,
    folder: Path,
    valid: Path | None,
    device: str,
    precision: str,
    compiled: bool,
    network: str | None,
) -> str:
    """Return the command that goes on: the recipe holds neither how this machine computes nor what it validates on."""
    given = {"--network": network, "--valid": valid, "--device": device, "--precision": precision}
    words = ["mapsr", "train", method, "--out", str(folder), "--resume"]
    for name, value in given.items():
        if value not in (None, "auto"):
            words += [name, str(value)]
    if compiled:
        words.append("--compile")
    return shlex.join(words)


def _network_of(init: Path, method: str, preset: str, code: "NetworkCode | None") -> "SectionValues":
    """Return the generator's settings as the weights to start from have them, if the run's is of that kind."""
    from mapsr_cli.criteria.methods import METHODS
    from mapsr_cli.networks import PRESETS, architecture_of
    from mapsr_cli.zoo import load_model

    if method not in METHODS or preset not in PRESETS:
        return {}
    card = load_model(init).card
    own = architecture_of(PRESETS[preset].generator) if code is None else code.architecture
    alike = own == card.architecture
    return {"generator": dict(card.config)} if alike else {}


def _validation(folder: Path | None, recipe: "Recipe") -> "Validation | None":
    if folder is None:
        return None
    from mapsr_cli.evaluation.validation import Validation
    from mapsr_cli.operators import make_kernel

    # A prior looks at HR alone: which kernel makes the LR twins that nobody sees does not matter.
    kernel = recipe["kernel"].make() if "kernel" in recipe.sections else make_kernel("box", 2)
    return Validation(folder, kernel, recipe["data"].patch, None if recipe.is_prior else recipe["data"])
