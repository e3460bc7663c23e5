"""A finished picture of any tool, changed as little as possible so that it gives its original back."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf, log10
from pathlib import Path
from typing import Self

import torch
from torch import Tensor

from mapsr_cli import __version__
from mapsr_cli.errors import ImageError
from mapsr_cli.imaging import Frames, JpegCoefficients, Picture, Provenance, encode_frames, read_provenance
from mapsr_cli.inference.comparison import compare
from mapsr_cli.inference.files import Output, stored_consistency
from mapsr_cli.inference.jpeg_evidence import TURNED, stored_kernel
from mapsr_cli.inference.level_upscaler import EvidenceChoice
from mapsr_cli.inference.memory import within_memory
from mapsr_cli.inference.projection import chunks_for, project, residual_of
from mapsr_cli.inference.report import StageProgress, UpscaleReport, silent
from mapsr_cli.inference.sizes import check_room
from mapsr_cli.inference.verification import KernelChoice, read_pair
from mapsr_cli.networks import Affine
from mapsr_cli.operators import (
    BAND_ROWS,
    AnyKernel,
    Evidence,
    LevelCube,
    Levels,
    Mended,
    Place,
    downsampling,
    dtype_for,
    make_strips,
    mend,
    rounding_margin,
)

PEAK = 255
"""Of a JPEG."""
PRODUCER = "mapsr project"
"""Name in the provenance, where a model's name stands otherwise."""
SPARE = 0.2
"""Levels by which samples are moved beyond the face of the original's cube."""


@dataclass(frozen=True, eq=False)
class ViolatedOnly(Evidence):
    """What an original says, as evidence for a picture that agrees with most of it: that is left where it is."""

    of: Evidence
    spare: float
    """Levels by which A y is moved beyond a face of the set: rounding takes up to that."""

    def nearest(self, ay: Tensor) -> Tensor:
        """Move A y [..., C, h, w], in levels, into the set where it lies outside, far enough for rounding."""
        return self.of.mended(ay, self.spare)

    def at(self, places: Sequence[Place]) -> Self:
        """Return the evidence about parts of the image, see `Evidence.at`."""
        of = self.of.at(places)
        return replace(self, x=of.x, of=of)

    def tolerance(self) -> tuple[Tensor, Tensor]:
        """Return the evidence's own."""
        return self.of.tolerance()

    def describe(self) -> str:
        """Say what the evidence says."""
        return self.of.describe()

    def shrunk(self, by: float) -> Self:
        """Draw in the evidence."""
        return replace(self, of=self.of.shrunk(by))


def project_file(
    original: Path,
    finished: Path,
    choice: KernelChoice,
    output: Output,
    progress: StageProgress = silent,
    evidence: EvidenceChoice = "auto",
) -> tuple[bytes, UpscaleReport, float, Frames, AnyKernel]:
    """Make a finished file give its original back, or agree with its coefficients, and encode it.

    Returns the bytes, how it was made, the PSNR in dB of the result to what came in (∞ where nothing changed), the
    result, and A. Raises ImageError where the files do not fit together.
    """
    began = time.perf_counter()
    stored = read_provenance(finished)
    lr, hr, kernel, notes = read_pair(original, finished, choice, stored, output.max_pixels, evidence)
    pictures, squared, samples = [], 0.0, 0
    jpeg = lr.pictures[0].jpeg
    if jpeg is not None and stored_kernel(jpeg, kernel) is None:
        notes = (*notes, TURNED)
        lr, jpeg = replace(lr, pictures=tuple(replace(picture, jpeg=None) for picture in lr.pictures)), None
    report = UpscaleReport(seconds={"decode": time.perf_counter() - began}, notes=notes)
    for small, large in zip(lr.distinct, hr.distinct, strict=True):
        picture, step = project_picture(small, large, kernel, progress)
        report += step
        for before, after in _planes(large, picture):
            squared += _squared_difference(before, after) / large.peak**2
            samples += before.numel()
        pictures.append(picture)
    began = time.perf_counter()
    frames = hr.with_distinct(pictures)
    digest, name = lr.pictures[0].sha256, kernel.name
    made_by = Provenance(PRODUCER, name, kernel.scale, kernel.sigma, digest, __version__)
    provenance = replace(made_by, original_size=lr.size, size=hr.size, evidence="jpeg" if jpeg else None)
    data = encode_frames(frames, output.file_format, output.quality, provenance)
    report += UpscaleReport(seconds={"encode": time.perf_counter() - began})
    if not output.lossless:
        report = replace(report, consistency=stored_consistency(data, lr, kernel))
    return data, report, inf if squared == 0 else -10 * log10(squared / samples), frames, kernel


def project_picture(
    original: Picture, finished: Picture, kernel: AnyKernel, progress: StageProgress = silent
) -> tuple[Picture, UpscaleReport]:
    """Change a finished picture so that A of it, rounded, is the original.

    A y is moved to the nearest point of the original's cube, not to its centre; of a JPEG with its coefficients, into
    their cells. A picture that holds already comes back with identical samples. Raises ImageError where the two differ
    in kind, UsageError where they are too nearly of one size, MapsrError where memory does not suffice.
    """
    consistency, _ = compare(finished, original, kernel)
    if consistency.holds:
        return finished, UpscaleReport(samples=original.levels.numel(), consistency=consistency)
    check_room(original.size[::-1], finished.size[::-1], "upscale it further first")
    jpeg, doing = original.jpeg, f"projecting {finished.size[0]}×{finished.size[1]} pixels"
    small = original.as_kind(len(finished.levels), finished.alpha is not None)
    report, planes = UpscaleReport(), []
    for x, y in _planes(small, finished):
        if jpeg is None or x is small.alpha:
            work = partial(_project_levels, x, y, kernel, finished.peak, progress)
        else:
            if finished.peak != original.peak:
                raise ImageError("16 bits do not go with a JPEG's coefficients", "--evidence levels")
            work = partial(_project_jpeg, x, y, jpeg, kernel, progress)
        levels, step = within_memory(work, doing, "cpu")
        report += step
        planes.append(levels)
    picture = replace(finished, levels=planes[0], alpha=None if finished.alpha is None else planes[1])
    began = time.perf_counter()
    consistency, _ = compare(picture, original, kernel)
    return picture, report + UpscaleReport(consistency=consistency, seconds={"project": time.perf_counter() - began})


def _squared_difference(a: Tensor, b: Tensor) -> float:
    """Sum the squared differences of two images of whole levels [C, H, W], some rows at a time: they may be large."""
    rows = zip(torch.split(a, BAND_ROWS, 1), torch.split(b, BAND_ROWS, 1), strict=True)
    return sum(float((before.double() - after.double()).square().sum()) for before, after in rows)


def _planes(a: Picture, b: Picture) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield what two pictures of one kind hold: colour, then alpha."""
    yield a.levels, b.levels
    if a.alpha is not None and b.alpha is not None:
        yield a.alpha, b.alpha


def _project_levels(
    lr: Tensor, hr: Tensor, kernel: AnyKernel, peak: int, progress: StageProgress
) -> tuple[Tensor, UpscaleReport]:
    """Project levels [C, H, W] towards LR levels [C, h, w], and make the round trip."""
    return _project(LevelCube(lr, peak), SPARE, hr, kernel, peak, progress)


def _project_jpeg(
    lr: Tensor, hr: Tensor, jpeg: JpegCoefficients, kernel: AnyKernel, progress: StageProgress
) -> tuple[Tensor, UpscaleReport]:
    """Project levels [C, H, W] into the cells of a JPEG with decoded levels [C, h, w], in the stored orientation."""
    stored = stored_kernel(jpeg, kernel) or kernel
    cells, spare = jpeg.cells(lr.float()), rounding_margin(stored)
    levels, report = _project(cells, spare, jpeg.as_stored(hr), stored, PEAK, progress)
    return jpeg.as_seen(levels).contiguous(), report


def _mend(levels: Levels, evidence: Evidence, residual: Tensor, kernel: AnyKernel, progress: StageProgress) -> Mended:
    """Make the round trip; where samples at the edge of the evidence leave no room for it, by moving them inwards."""
    again = partial(mend, levels, evidence, residual, kernel, partial(progress, "round trip"))
    mended = again(keep=True)
    if any(said.violated(residual[None, :, band]).any() for band, said in evidence.bands()):
        mended = again(keep=False)
    return mended


@torch.inference_mode()
def _project(
    evidence: Evidence, spare: float, hr: Tensor, kernel: AnyKernel, peak: int, progress: StageProgress
) -> tuple[Tensor, UpscaleReport]:
    """Project levels [C, H, W] onto the evidence, moving only what violates it, and make the round trip."""
    began, x = time.perf_counter(), evidence.x
    progress("project", 0, 1)
    strips = make_strips(downsampling(kernel, (hr.shape[-2], hr.shape[-1]), dtype_for(peak)))
    f = chunks_for(strips, len(hr))
    for part in map(strips.hr, strips.plan):
        f.write(part, slice(0, hr.shape[-1]), hr.shape[-1], hr[:, part].float())
    ordered = evidence.block > 1
    projected = project(strips, f, Affine(kernel), ViolatedOnly(x, evidence, spare), x, peak, ordered)
    residual = residual_of(strips, projected.levels, x)
    mended = _mend(projected.levels, evidence, residual, kernel, progress)
    progress("project", 1, 1)
    return projected.levels.image, UpscaleReport(
        samples=x.numel(),
        squared_float=projected.mse_float * x.numel(),
        max_abs_float=projected.max_abs_float,
        passes=mended.passes,
        seconds={"project": time.perf_counter() - began},
    )
