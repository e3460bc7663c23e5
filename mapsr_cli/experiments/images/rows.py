"""The trainings that an experiment compares, as data: one recipe per row, the same engine as `mapsr train`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from mapsr_cli.errors import UsageError
from mapsr_cli.training.recipe import Recipe, make_recipe
from mapsr_cli.training.settings import SectionValues, merge


@dataclass(frozen=True)
class Row:
    """One training."""

    method: str
    """What `mapsr train` calls it."""
    settings: SectionValues = field(default_factory=dict)
    """What it alone has."""
    init: str | None = None
    """The row whose weights it starts from."""
    prior: str | None = None
    """The row whose snapshots it follows."""
    without: tuple[str, ...] = ()
    """Images in the folder that it does not train on, by file name."""


@dataclass(frozen=True)
class Length:
    """How a budget trains."""

    preset: str
    """Networks, A and patch."""
    steps: Mapping[str, int]
    """By method: rows of one criterion train equally long."""
    settings: SectionValues = field(default_factory=dict)
    """Of every row that has such a section."""
    rows: Mapping[str, Row] | None = None
    """Trained in the place of the others' rows; None: the same."""


@dataclass(frozen=True)
class Trainings:
    """All rows on one set of images."""

    data: str
    """Training images, inside the folder of image sets."""
    rows: Mapping[str, Row]
    lengths: Mapping[str, Length]
    """By budget."""

    def rows_of(self, budget: str) -> Mapping[str, Row]:
        """Return what a budget trains, by name."""
        return self.lengths[budget].rows or self.rows

    def recipe(self, name: str, budget: str, seed: int, runs: Path, steps: int | None = None) -> Recipe:
        """Make the row's full recipe, of `steps` or as many as the budget has; the run of its prior is in `runs`."""
        row, length = self.rows_of(budget)[name], self.lengths[budget]
        steps = steps or length.steps[row.method]
        sections = make_recipe(row.method, length.preset, {}).sections
        shared = {section: values for section, values in length.settings.items() if section in sections}
        own: SectionValues = {"loop": {"steps": steps, "seed": seed}, "data": {"seed": seed}}
        if row.prior is not None:
            own["prior"] = {"run": str(runs / row.prior)}
        return make_recipe(row.method, length.preset, merge(shared, row.settings, own))


SMOKE: SectionValues = {
    "generator": {"widths": (8, 8)},
    "discriminator": {"widths": (8, 8), "strides": (2, 2)},
    "denoiser": {"widths": (8,)},
    "density": {"kernels": ((3, 3), (3, 3)), "channels": 8, "components": 2, "scales": 2, "features": 2},
    "data": {"patch": (32, 32), "batch": 2, "workers": 0, "shuffle": 16},
    "loop": {"snapshots": 2, "warmup": 1, "log_steps": 1},
}
"""Networks and patches that train in no time, and learn nothing."""

STEADY_GAN: SectionValues = {
    "criterion": {"discriminator_steps": 2, "shift": 8, "noise_start": 0.1, "noise_end": 0.05},
    "loop": {"final_rate": 0.1},
}
"""AffGAN from AffMSE: `shift` against grids, noise that stays wide against streaks. Rates are the criterion's
own, unless a row has others."""

SHORT_DISCRIMINATOR: SectionValues = {
    "discriminator": {"widths": (64, 128, 256, 512), "strides": (2, 2, 2, 2), "local": True},
}
"""Of the half-width presets' discriminator the four layers with a stride, and a logit for every place."""


def check_same(wanted: Recipe, stored: Recipe, folder: Path) -> None:
    """Raise UsageError where the run in `folder`, of recipe `found`, is not the one that is wanted."""
    ours, theirs = _flat(wanted), _flat(stored)
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name) != theirs.get(name):
            raise UsageError(
                f"{folder} holds another training: {name} is {theirs.get(name)}, not {ours.get(name)}",
                "move that folder away, or choose another --out",
            )


def _flat(recipe: Recipe) -> dict[str, object]:
    """Flatten to settings by name; of files and folders keep only the last part, as they may have been moved."""
    published = recipe.published()
    flat = {f"{name}.{key}": value for name, section in published["sections"].items() for key, value in section.items()}
    return {"method": published["method"], **flat}
