"""`mapsr upscale --error-map`: how far the truth may lie from a result, pixel by pixel."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mapsr_cli.cli.companions import Made
from mapsr_cli.cli.paths import Job, beside, source_name
from mapsr_cli.cli.report import say
from mapsr_cli.cli.sources import PIPE, is_folder
from mapsr_cli.errors import UsageError
from mapsr_cli.files import identity, make_folder
from mapsr_cli.imaging import Picture, encode
from mapsr_cli.imaging.formats import FORMATS
from mapsr_cli.inference import Upscaler
from mapsr_cli.inference.error_bars import Variance, error_map
from mapsr_cli.views.map_frame import Caption
from mapsr_cli.views.screen import levels_of
from mapsr_cli.views.spread_map import draw_error_bars
from mapsr_cli.zoo import ErrorBars

ENDING, DRAWN = "_error", "_drawn"
SUFFIX = ".png"


@dataclass(frozen=True)
class ErrorMaps:
    """The maps of a batch: each as grey levels, and drawn in colours with a scale."""

    upscaler: Upscaler
    place: Path
    """A file, or the folder of several."""
    folder: bool
    bars: ErrorBars
    confidence: float

    def paths(self, job: Job) -> dict[str, Path]:
        """Name the map, and the drawing of it."""
        path = self.place / beside(job.target, ENDING, SUFFIX).name if self.folder else self.place
        return {"error_map": path, "error_map_drawn": beside(path, DRAWN)}

    def files(self, made: Made) -> Iterator[tuple[Path, bytes]]:
        """Make both, of the first frame. Raises UsageError where a model made it that is not calibrated."""
        model = self.upscaler.model_for(made.originals.pictures[0])
        if model is not self.upscaler.model:
            what = f"{model.card.name}, which JPEG and noisy originals have, has no calibrated error bars"
            raise UsageError(what, f"-m {self.upscaler.model.card.name}, or leave out --error-map")
        return self.draw(made.job, made.upscaled.pictures[0])

    def draw(self, job: Job, picture: Picture, variance: Variance | None = None) -> Iterator[tuple[Path, bytes]]:
        """Make both of an upscaled picture, and the variance over its samples where there are some."""
        if job.source.suffix.lower() in FORMATS["JPEG"].suffixes:
            say(f"note: {job.source}: error bars do not cover what JPEG took from it")
        path, drawn = self.paths(job).values()
        colour = picture.levels[:3]
        found = error_map(colour, picture.peak, self.bars, self.confidence, picture.alpha, variance)
        yield path, encode(Picture(torch.from_numpy(found)[None]), "PNG", None, None)
        title = f"{source_name(job)}: error bars of {self.upscaler.model.card.name}, mean +/- {found.mean():.1f} levels"
        often = f"{100 * self.confidence:.4g} times in 100"
        verdict = f"the true value lies within them {often}, for photographs like those that they were calibrated on"
        image = draw_error_bars(found, Caption(title, verdict, "axes: pixels of the result"))
        yield drawn, encode(Picture(levels_of(image)), "PNG", None, None)

    def catch_up(self, job: Job) -> None:
        """Say that a picture that was there before has no map, where it has none."""
        if not os.path.lexists(self.paths(job)["error_map"]):
            say(f"note: {job.target} was there already, and has no error map")

    def describe(self) -> dict[str, Any]:
        """Return what `--json` says of all of them."""
        return {"confidence": self.confidence, "calibrated_on": self.bars.data, "images": self.bars.images}


def calibrated(upscaler: Upscaler, samples: int | None) -> ErrorBars:
    """Return the calibration of a model. Raises UsageError where there is none for what the settings ask."""
    name, bars, settings = upscaler.model.card.name, upscaler.model.card.error_bars, upscaler.settings
    if settings.texture:
        raise UsageError(f"error bars are calibrated for {name} alone, not for a mixture", "leave out --texture")
    if bars is None:
        how = f"mapsr evaluate -m {name} --data PHOTOS --calibrate FILE writes a model that has"
        raise UsageError(f"{name} has no calibrated error bars", how)
    size = settings.size
    if upscaler.kernel != upscaler.model.kernel or (size is not None and size.scale != upscaler.kernel.scale):
        own = upscaler.model.kernel.describe()
        raise UsageError(f"the error bars of {name} are calibrated for {own} alone", "leave out --kernel and the size")
    if settings.strength < 1 or settings.noise is not None or settings.consistency == "none":
        what = "error bars are calibrated for originals that are given back"
        raise UsageError(what, "without --strength, --noise and --consistency none")
    if bars.needs_samples and samples is None:
        raise UsageError(f"the error bars of {name} follow from the spread of its samples", "--samples 4, or more")
    return bars


def plan_error_maps(
    upscaler: Upscaler, place: Path, confidence: float, jobs: Sequence[Job], samples: int | None, several: bool
) -> ErrorMaps:
    """Choose where the maps of a batch go: to the file `place`, or into that folder if there may be `several`.

    Raises UsageError where there can be none, or one would take the place of another file of this batch.
    """
    folder = is_folder(place) or place.suffix.lower() != SUFFIX
    if several and not folder:
        raise UsageError(f"--error-map {place} names one file, but there are several inputs", "--error-map FOLDER")
    maps = ErrorMaps(upscaler, place, folder, calibrated(upscaler, samples), confidence)
    inputs = {identity(job.source) for job in jobs if job.source != PIPE} - {None}
    taken = {path.absolute() for job in jobs for path in (job.source, *job.targets(samples))}
    for job in jobs:
        for path in maps.paths(job).values():
            if path.absolute() in taken or identity(path) in inputs:
                raise UsageError(f"{path} would be written twice, or is an input", "--error-map with another name")
            taken.add(path.absolute())
    if folder:
        make_folder(place)
    return maps
