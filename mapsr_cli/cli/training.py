"""Options → recipe → run: what `mapsr train` makes of what the user gave."""

import shlex
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mapsr_cli.cli.report import say
from mapsr_cli.errors import MissingExtraError, UsageError

if TYPE_CHECKING:
    from mapsr_cli.networks import NetworkCode
    from mapsr_cli.training.recipe import Recipe
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
