"""Make the picture of a report again, and say whether it is the same to the bit."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

import torch

from mapsr_cli.errors import MapsrError, MissingExtraError, ReportError
from mapsr_cli.imaging import MAX_PIXELS, Frames, Holds, read_frames
from mapsr_cli.inference import Upscaler
from mapsr_cli.inference.backbone import load_backbone
from mapsr_cli.inference.files import Output, encode_file, load_file, upscale_frames
from mapsr_cli.inference.report import StageProgress, silent
from mapsr_cli.reports.document import FileReport, ModelFile
from mapsr_cli.reports.machine import Difference, differences
from mapsr_cli.reports.signing import read_signature
from mapsr_cli.reports.writing import machine_of, samples_sha256
from mapsr_cli.zoo import Model, load_model, textured
from mapsr_cli.zoo.card import restore_kernel
from mapsr_cli.zoo.finding import find_here
from mapsr_cli.zoo.manifest import sha256_of


@dataclass(frozen=True, eq=False)
class Redone:
    """A picture made again."""

    data: bytes
    """The file."""
    pictures: Frames
    same: bool
    """Whether it has the SHA-256 that the report states."""
    same_samples: bool
    """Whether all samples are the same, however they are encoded."""
    differences: tuple[Difference, ...]
    """What computes here and did not then, or the other way round."""


@dataclass(frozen=True)
class ResultBeside:
    """The file that a report calls its result, as it lies there."""

    same: bool
    """Whether it is the file that was written: by its SHA-256, or if it was signed, by its signature."""
    off: int | None = None
    """Of its samples, how many are not those made again; None where it holds no picture of that kind."""
    samples: int = 0
    largest: int = 0
    """Largest difference, in levels."""
    signature: Literal["valid", "broken", "unchecked"] | None = None
    """Of a file that was signed; unchecked without the optional package."""


def make_again(
    report: FileReport, original: Path, model: Path | None = None, progress: StageProgress = silent
) -> Redone:
    """Make a report's picture again, with its settings, tiles and number of threads.

    Args:
        report: what to do.
        original: the file that was upscaled.
        model: the network's file; by default the one that the report names, where it is on this machine.
        progress: called with (stage, done, total).

    Raises:
        ReportError: the original or the model is another file than the report's, or the model is not here.
        MapsrError: it cannot be done here, such as where memory does not suffice.
    """
    check_original(report, original)
    others = {"twin": report.twin, "alpha_model": report.alpha_model}
    paths = {name: find_model_of(wanted, original.parent) for name, wanted in others.items() if wanted is not None}
    paths["model"] = find_model_of(report.model, original.parent, model)
    threads = torch.get_num_threads()
    torch.set_num_threads(report.machine.threads)
    try:
        upscaler, output = _upscaler(report, paths), output_of(report)
        originals, decoding = load_file(original, output, upscaler)
        upscaled, upscaling = upscale_frames(originals, upscaler, progress, report.sample)
        data, _ = encode_file(originals, upscaled, decoding + upscaling, upscaler, output, report.sample)
        here = machine_of(upscaler)
    finally:
        torch.set_num_threads(threads)
    if originals.pictures[0].sha256 != report.original.sha256:
        raise ReportError(f"{original} changed while it was read")
    return Redone(
        data,
        upscaled,
        hashlib.sha256(data).hexdigest() == report.result.sha256,
        samples_sha256(upscaled) == report.result.samples_sha256,
        differences(report.machine, here),
    )


def output_of(report: FileReport) -> Output:
    """Return what kind of file the result is; the original may have as many pixels as the report says."""
    width, height = report.original.size
    most = max(MAX_PIXELS, width * height * report.original.frames)
    result = report.result
    return Output(result.file_format, result.quality, most, result.animate, result.label is not None)


def check_original(report: FileReport, original: Path) -> None:
    """Raise ReportError where a file is not the report's original."""
    try:
        digest = _digest(original)
    except OSError as error:
        hint = "mapsr redo REPORT ORIGINAL says where it is"
        raise ReportError(f"cannot read {original}: {error.strerror or error}", hint) from error
    if digest != report.original.sha256:
        raise ReportError(
            f"{original} is not the original of the report, {report.original.name}: its SHA-256 is another",
            "mapsr redo REPORT ORIGINAL names the right one",
        )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def compare_with(path: Path, report: FileReport, redone: Redone) -> ResultBeside | None:
    """Compare the file that the report calls its result with the picture made again; None where there is none."""
    if not path.is_file():
        return None
    beside = _compare_samples(path, report, redone)
    if report.result.signed_by is None:
        return replace(beside, same=_digest(path) == report.result.sha256)
    try:
        signature = read_signature(path)
    except MissingExtraError:
        return replace(beside, same=beside.off == 0, signature="unchecked")
    valid = signature is not None and signature.valid and signature.report_sha256 == report.seal
    return replace(beside, same=valid, signature="valid" if valid else "broken")


def _compare_samples(path: Path, report: FileReport, redone: Redone) -> ResultBeside:
    """Count samples of a file that are not those made again."""
    other = ResultBeside(False)
    try:
        width, height = report.result.size
        stored = read_frames(path, Holds(inks=True), width * height * report.original.frames)
    except MapsrError:
        return other
    if (len(stored.pictures), stored.size) != (len(redone.pictures.pictures), redone.pictures.size):
        return other
    off = samples = largest = 0
    for here, there in zip(redone.pictures.pictures, stored.pictures, strict=True):
        if (here.peak, here.samples) != (there.peak, there.samples):
            return other
        for a, b in ((here.levels, there.levels), (here.alpha, there.alpha)):
            if a is not None and b is not None:
                gap = (a.int() - b.int()).abs()
                off, samples = off + int(gap.count_nonzero()), samples + gap.numel()
                largest = max(largest, int(gap.max()))
    return ResultBeside(False, off, samples, largest)


def find_model_of(wanted: ModelFile, folder: Path, given: Path | None = None) -> Path:
    """Find the network's file: the one given, or where the report's name for it leads, or in a folder.

    Raises ReportError where there is none, or only one with another SHA-256.
    """
    found: Path | None = None
    for path in [given] if given is not None else _places(wanted, folder):
        if sha256_of(path) == wanted.sha256:
            return path
        found = found or path
    if found is not None:
        what = f"{found} is not the model of the report: its SHA-256 is another"
        raise ReportError(what, "--model FILE names the right one")
    raise ReportError(
        f"the model of the report, {wanted.name}, is not on this machine", "--model FILE says where it is"
    )


def _places(wanted: ModelFile, folder: Path) -> Iterator[Path]:
    """Yield files that may be the report's network."""
    if wanted.file and (path := folder / Path(wanted.file).name).is_file():
        yield path
    for name in dict.fromkeys((wanted.asked, wanted.name)):
        if name and not wanted.foreign:
            try:
                yield find_here(name)
            except MapsrError:
                continue


def _upscaler(report: FileReport, paths: dict[str, Path]) -> Upscaler:
    """Make the report's upscaler of its networks' files, by the report's fields."""
    model = _load(report.model, paths["model"])
    if report.twin is not None:
        model = textured(model, report.settings.texture or 0.0, _load(report.twin, paths["twin"]))
    restorer = None
    if report.alpha_model is not None:
        model, restorer = _load(report.alpha_model, paths["alpha_model"]), model
    device = report.machine.device
    make = partial(Upscaler, model, report.settings, restore_kernel(report.own_kernel), restorer=restorer)
    try:
        return make(device=device, precision=report.machine.precision)
    except MapsrError:
        if device == "cpu":
            raise
    return make(precision=report.machine.precision)


def _load(wanted: ModelFile, path: Path) -> Model:
    model: Model = load_backbone(path) if wanted.foreign else load_model(path)
    if model.sha256 != wanted.sha256:
        raise ReportError(f"{path} changed while it was read")
    return replace(model, card=replace(model.card, name=wanted.name))  # of a backbone, its file's name then
