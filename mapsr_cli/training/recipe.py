"""What to train, in full: a method, a preset, every setting of their parts, the data, and the weights to start from."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from mapsr_cli.configs import make_config
from mapsr_cli.criteria.base import LearningConfig
from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.errors import UsageError, did_you_mean
from mapsr_cli.files import write_bytes
from mapsr_cli.networks import PRESETS, AnyConfig, NetworkCode, Preset, find_discriminator, read_config
from mapsr_cli.training.config import LoopConfig
from mapsr_cli.training.data import DataConfig
from mapsr_cli.training.defaults import DEFAULTS
from mapsr_cli.training.sections import PLACES, ConstraintConfig, KernelConfig, PriorConfig, TeacherConfig
from mapsr_cli.training.settings import SectionValues, apply, merge
from mapsr_cli.zoo import strict_json

RECIPE = "recipe.json"


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run computes."""

    method: str
    """A row of METHODS, or of PRIORS."""
    preset: str
    """A row of PRESETS."""
    sections: Mapping[str, Any]
    """Configs by section: `generator`, `discriminator`, `criterion`, `data`, `loop`, …"""
    location: str = ""
    """The training data, as `open_data` takes them; empty: the caller feeds the run."""
    init: Path | None = None
    """Weights that the run starts from; None: random ones."""
    network: NetworkCode | None = None
    """What the command line named in the place of the preset's generator; None: nothing."""

    def __getitem__(self, section: str) -> Any:
        return self.sections[section]

    @property
    def loop(self) -> LoopConfig:
        """Length, schedule, averaging."""
        config = self.sections["loop"]
        assert isinstance(config, LoopConfig)
        return config

    @property
    def criterion(self) -> LearningConfig:
        """How the networks learn."""
        config = self.sections["criterion"]
        assert isinstance(config, LearningConfig)
        return config

    @property
    def teacher(self) -> TeacherConfig | None:
        """Whose estimates the run learns from besides the images; None: nobody's."""
        config = self.sections.get("teacher")
        taught = isinstance(config, TeacherConfig) and (config.weights, config.estimates) != (None, None)
        return config if taught else None

    @property
    def is_prior(self) -> bool:
        """Whether the run trains a prior, not a super-resolution network."""
        return self.method in PRIORS

    @property
    def settings(self) -> dict[str, Any]:
        """Plain values by section and field, of which `make_recipe` makes the same sections."""
        return {name: asdict(config) for name, config in self.sections.items()}

    def published(self) -> dict[str, Any]:
        """Return what a model's header tells: of files and folders only their own names, not where they lie."""
        sections = self.settings
        for section, field in PLACES:
            if place := sections.get(section, {}).get(field):
                sections[section][field] = Path(place).name
        told = {"method": self.method, "preset": self.preset, "sections": sections}
        return told if self.network is None else {**told, "network": asdict(self.network)}

    def write(self, folder: Path) -> None:
        """Write `folder`/recipe.json."""
        content: dict[str, Any] = {"method": self.method, "preset": self.preset, "sections": self.settings}
        content |= {"data": self.location, "init": None if self.init is None else str(self.init)}
        if self.network is not None:
            content["network"] = asdict(self.network)
        content["sha256"] = _seal(content)
        write_bytes(folder / RECIPE, (json.dumps(content, indent=2) + "\n").encode())


def read_recipe(folder: Path, named: NetworkCode | None = None) -> Recipe:
    """Read the recipe of the run in `folder`. Raises UsageError if there is none, or it is damaged.

    `named`: what the command line named now. A run's own network has to be named again, as no file may say what code is
    imported; UsageError says so.
    """
    path = folder / RECIPE
    try:
        stored = strict_json.parse(path.read_bytes())
        content = make_config(_Written, stored, "recipe")
        if content.sha256 not in (None, _seal(stored)):
            raise UsageError("it was changed or damaged since the run began (another SHA-256)")
        init = None if content.init is None else Path(content.init)
        network = content.network
        if (named and named.architecture) != (network and network.architecture):
            raise _OtherNetworkError(network)
        how = make_recipe if content.sha256 is None else _rebuilt
        return how(content.method, content.preset, content.sections, content.data, init, network)
    except _OtherNetworkError as error:
        raise UsageError(f"{folder}: {error}", error.hint) from error
    except OSError as error:
        raise UsageError(f"{folder} holds no run", "a run's folder has a recipe.json") from error
    except (UsageError, AttributeError, TypeError, ValueError) as error:
        raise UsageError(f"{path}: {error}", "start the run again in another folder") from error


@dataclass(frozen=True)
class _Written:
    """A recipe.json."""

    method: str
    preset: str
    sections: dict[str, dict[str, Any]]
    data: str
    init: str | None = None
    sha256: str | None = None
    """Of all the rest; None in a recipe that was written by hand."""
    network: NetworkCode | None = None


class _OtherNetworkError(UsageError):
    """A run is resumed with other code than it began with, or with none."""

    def __init__(self, begun: NetworkCode | None) -> None:
        what, hint = "a network of its preset", "leave out --network"
        if begun is not None:
            what, again = begun.place, begun.architecture if not begun.sha256 else f"PATH/{begun.place}"
            hint = f"name it again, where you trust it: --network {again}"
        super().__init__(f"the run trains {what}", hint)


def _seal(content: dict[str, Any]) -> str:
    """Compute the SHA-256 of a recipe's content, but for its own."""
    sealed = {key: value for key, value in content.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()


def make_recipe(
    method: str,
    preset: str,
    settings: SectionValues,
    location: str = "",
    init: Path | None = None,
    network: NetworkCode | None = None,
) -> Recipe:
    """Make the preset's recipe for a method, with `settings` in place, and `network` in that of its generator.

    Patches are rounded up to whole LR pixels. Raises UsageError for an unknown method, preset, section or field, or a
    value that does not fit.
    """
    if preset not in PRESETS:
        raise UsageError(f"unknown preset '{preset}'", did_you_mean(preset, PRESETS))
    base = _sections(method, PRESETS[preset], network)
    given = _without_the_presets_sigma(merge(DEFAULTS.get(preset, {}).get(method, {}), settings))
    if (name := given.get("discriminator", {}).pop("name", None)) is not None and "discriminator" in base:
        base["discriminator"] = find_discriminator(name, base["discriminator"])
    if odd := sorted(given.keys() - base.keys()):
        raise UsageError(f"{method} has no settings '{odd[0]}'", f"it has: {', '.join(base)}")
    sections = {name: apply(config, given.get(name, {}), name) for name, config in base.items()}
    if "generator" in sections:
        scale = sections["kernel"].scale
        sections["generator"] = replace(sections["generator"], scale=scale)
        sections["data"] = _whole_patches(sections["data"], scale, getattr(sections["generator"], "size", None))
    return Recipe(method, preset, sections, location, init, network)


def _rebuilt(
    method: str, preset: str, settings: SectionValues, location: str, init: Path | None, network: NetworkCode | None
) -> Recipe:
    """Make the recipe that was written in full, as it was.

    A setting younger than the run takes its class's default, which changes nothing, not one of DEFAULTS or the preset.
    """
    base = _sections(method, PRESETS[preset], network)
    if "discriminator" in base:
        base["discriminator"] = type(base["discriminator"])()
    sections = {name: apply(config, settings.get(name, {}), name) for name, config in base.items()}
    return Recipe(method, preset, sections, location, init, network)


def _without_the_presets_sigma(given: SectionValues) -> SectionValues:
    """Drop the preset's σ where another kernel is asked for, which may have none."""
    kernel = given.get("kernel", {})
    other = "name" in kernel and "sigma" not in kernel
    return {**given, "kernel": {**kernel, "sigma": None}} if other else given


def _whole_patches(data: DataConfig, scale: int, size: tuple[int, int] | None) -> DataConfig:
    """Round the patch up to whole LR pixels. Raises UsageError for another than the `size` that the generator makes."""
    height, width = data.patch
    if size is None:
        return replace(data, patch=(-(-height // scale) * scale, -(-width // scale) * scale))
    if data.patch != size:
        raise UsageError(
            f"the preset's generator makes images of {size[0]}×{size[1]} pixels, not {height}×{width}",
            "leave out --patch, or choose another --preset",
        )
    return data


def _sections(method: str, preset: Preset, network: NetworkCode | None) -> dict[str, Any]:
    """Return the sections of a method's recipe as the preset has them, but for a `network` that was named."""
    common = {"data": DataConfig(patch=preset.patch, colours=preset.colours), "loop": LoopConfig()}
    if method in PRIORS:
        if network is not None:
            raise UsageError(f"{method} trains a prior, not a generator", "leave out --network")
        return {method: getattr(preset, method), "criterion": PRIORS[method].Config(), **common}
    if method not in METHODS:
        raise UsageError(f"unknown method '{method}'", did_you_mean(method, [*METHODS, *PRIORS]))
    row = METHODS[method]
    sections: dict[str, Any] = {
        "kernel": KernelConfig(preset.kernel, preset.scale, preset.sigma),
        "generator": preset.generator if network is None else _generator(preset, network),
        "criterion": row.criterion.Config(),
    }
    if row.constraint != "none":
        sections["constraint"] = ConstraintConfig()
    if row.criterion.paired:
        sections["teacher"] = TeacherConfig()
    if row.criterion.needs != "nothing":
        sections[row.criterion.needs] = getattr(preset, row.criterion.needs)
    if row.criterion.needs in PRIORS:
        sections["prior"] = PriorConfig()
    return {**sections, **common}


def _generator(preset: Preset, network: NetworkCode) -> AnyConfig:
    return read_config(network.architecture, {"scale": preset.scale, "colours": preset.colours})
