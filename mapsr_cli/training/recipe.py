"""What to train, in full: a method, a preset, and every setting of their parts."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from mapsr_cli.criteria.base import CriterionConfig
from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.errors import UsageError
from mapsr_cli.imaging import find_kernel
from mapsr_cli.networks import PRESETS, Preset
from mapsr_cli.operators import Kernel
from mapsr_cli.training.config import LoopConfig
from mapsr_cli.training.data import DataConfig
from mapsr_cli.training.defaults import DEFAULTS
from mapsr_cli.training.settings import Settings, apply, merge

Projection = Literal["exact", "fitted", "fitted-trainable", "random", "random-trainable"]


@dataclass(frozen=True)
class KernelConfig:
    """A."""

    name: str = "bicubic"
    """`gaussian9`, `bicubic`, `file:psf.npy`, …"""
    scale: int = 4
    """HR pixels per LR pixel."""
    sigma: float | None = None
    """Standard deviation of a Gaussian, in HR pixels."""
    rounded: bool = False
    """Learn from A y as an 8-bit file has it, clipped and rounded, rather than from A y itself. For images."""

    def make(self) -> Kernel:
        """The kernel."""
        return find_kernel(self.name, self.scale, self.sigma)


@dataclass(frozen=True)
class ConstraintConfig:
    """How the estimate is tied to its LR image."""

    weight: float = 1.0
    """λ of the soft constraint's MAE(x, Aŷ)."""
    projection: Projection = "exact"
    """A⁺ of the affine constraint: exact, or the paper's convolution, fixed or trainable × fitted or random."""
    pinv: str | None = None
    """A⁺ that fit-pinv wrote, for the fitted ones; none: it is solved for here."""
    taps: int = 5
    """Side of the convolution's kernels, in LR pixels."""


@dataclass(frozen=True)
class PriorConfig:
    """Where a guided method's snapshots come from."""

    run: str | None = None
    """Folder of a prior's run; none: one is trained first, and kept for the next run with the same settings."""
    steps: int = 20_000
    """Length of that first stage."""
    snapshots: int = 8
    """Copies kept along it, poor to good."""

    def __post_init__(self) -> None:
        if min(self.steps, self.snapshots) < 1:
            raise UsageError(f"a prior of {self.steps} steps and {self.snapshots} snapshots", "at least 1 of each")


@dataclass(frozen=True)
class TeacherConfig:
    """Distillation: whose estimates are part of what MSE and MAE compare with."""

    weights: str | None = None
    """A model for the same A, by name or path; none: y is all there is to learn."""
    share: float = 0.5
    """The target is (1 − share) · y + share · estimate."""
    patches: int = 8192
    """Patches that it estimates beforehand; the run draws from these alone."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UsageError(f"a teacher's share of {self.share}", "above 0, at most 1")
        if self.patches < 1:
            raise UsageError(f"a teacher of {self.patches} patches")


PLACES = {"constraint": "pinv", "teacher": "weights", "prior": "run"}
"""Settings, by section, that may be the path of a file or folder. (A measured kernel's path is its name: `verify` looks
there for it.)"""


@dataclass(frozen=True)
class Recipe:
    """Everything that decides what a run computes, but the data themselves."""

    method: str
    """A row of METHODS, or of PRIORS."""
    preset: str
    """A row of PRESETS."""
    sections: Mapping[str, Any]
    """Configs by section: `generator`, `discriminator`, `criterion`, `data`, `loop`, …"""

    def __getitem__(self, section: str) -> Any:
        return self.sections[section]

    @property
    def loop(self) -> LoopConfig:
        """Length, schedule, averaging."""
        found = self.sections["loop"]
        assert isinstance(found, LoopConfig)
        return found

    @property
    def teacher(self) -> TeacherConfig | None:
        """Whom the run learns from besides the images, if from anyone."""
        found = self.sections.get("teacher")
        return found if isinstance(found, TeacherConfig) and found.weights is not None else None

    def to_json(self) -> dict[str, Any]:
        """Plain values; `make_recipe(method, preset, sections)` makes the same recipe of them."""
        return {
            "method": self.method,
            "preset": self.preset,
            "sections": {k: asdict(v) for k, v in self.sections.items()},
        }

    def to_told(self) -> dict[str, Any]:
        """As `to_json`, to be published: of files and folders only their own names, for others need not know where."""
        told = self.to_json()
        for section, field in PLACES.items():
            if place := told["sections"].get(section, {}).get(field):
                told["sections"][section][field] = Path(place).name
        return told


def make_recipe(method: str, preset: str, settings: Settings) -> Recipe:
    """The preset's recipe for a method, with `settings` in place; unknown names are refused with those there are."""
    if preset not in PRESETS:
        raise UsageError(f"unknown preset '{preset}'", f"known: {', '.join(PRESETS)}")
    base = _sections(method, PRESETS[preset])
    given = _without_the_presets_sigma(merge(DEFAULTS.get(preset, {}).get(method, {}), settings))
    if odd := sorted(given.keys() - base.keys()):
        raise UsageError(f"{method} has no settings '{odd[0]}'", f"it has: {', '.join(base)}")
    sections = {name: apply(config, given.get(name, {}), name) for name, config in base.items()}
    if "generator" in sections:
        sections["generator"] = _of_scale(sections["generator"], sections["kernel"].scale)
    return Recipe(method, preset, sections)


def _without_the_presets_sigma(given: Settings) -> Settings:
    """Of another kernel than the preset's: its σ would be refused by those that have none."""
    kernel = given.get("kernel", {})
    other = "name" in kernel and "sigma" not in kernel
    return {**given, "kernel": {**kernel, "sigma": None}} if other else given


def _sections(method: str, preset: Preset) -> dict[str, Any]:
    """The sections of a method's recipe as the preset has them."""
    common = {"data": DataConfig(patch=preset.patch, colours=preset.colours), "loop": LoopConfig()}
    if method in PRIORS:
        return {method: getattr(preset, method), "criterion": PRIORS[method].Config(), **common}
    if method not in METHODS:
        raise UsageError(f"unknown method '{method}'", f"known: {', '.join((*METHODS, *PRIORS))}")
    row = METHODS[method]
    sections: dict[str, Any] = {
        "kernel": KernelConfig(preset.kernel, preset.scale, preset.sigma),
        "generator": preset.generator,
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


def _of_scale(generator: Any, scale: int) -> Any:
    """The generator at the kernel's scale: they cannot differ."""
    return apply(generator, {"scale": scale}, "generator")


def criterion_config(recipe: Recipe) -> CriterionConfig:
    """The recipe's `criterion`, typed."""
    found = recipe["criterion"]
    assert isinstance(found, CriterionConfig)
    return found
