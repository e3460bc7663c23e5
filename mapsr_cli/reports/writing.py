"""Write down how a file was made."""

import hashlib
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mapsr_cli.imaging import Frames, Picture
from mapsr_cli.imaging.picture import interleaved
from mapsr_cli.inference import Upscaler
from mapsr_cli.inference.backbone import Backbone
from mapsr_cli.inference.devices import DTYPES
from mapsr_cli.inference.files import Output, with_label
from mapsr_cli.inference.report import UpscaleReport
from mapsr_cli.operators import AnyKernel, Kernel
from mapsr_cli.reports.document import FileReport, ModelFile, OriginalFile, Promise, ResultFile
from mapsr_cli.reports.machine import Machine, this_machine
from mapsr_cli.zoo import Model, Textured, describe_kernel

_KEEPS = {
    "levels": "and rounded, is the original, bit for bit",
    "noise": "is within ±3 σ of every sample of the original, σ = {noise:.2g} levels of 255",
    "jpeg": "has every coefficient in the interval that the original, a JPEG, states for it",
    "": "lies within what is known of the original",
}
"""By the kind of evidence, what is promised of the result made small again."""
_STRIP = 1 << 24
"""Samples that are hashed at once."""


@dataclass(frozen=True)
class Naming:
    """How the user names what a report is about."""

    original: str
    result: str
    command: str
    """As `FileReport.command`."""
    asked: str
    """As `ModelFile.asked`."""
    signed_by: str | None = None
    """As `ResultFile.signed_by`."""


def make_report(
    naming: Naming,
    originals: Frames,
    upscaled: Frames,
    data: bytes,
    done: UpscaleReport,
    upscaler: Upscaler,
    output: Output,
    evidence: dict[str, Any],
    sample: int = 1,
) -> FileReport:
    """Write down how `data`, a file of `upscaled`, was made of `originals`.

    `evidence`: what the originals were taken to say, as `mapsr upscale --json` prints it.
    """
    first, kernel = originals.pictures[0], upscaler.kernel_for(originals.pictures[0])
    return FileReport(
        written=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        command=naming.command,
        original=OriginalFile(
            naming.original,
            first.sha256,
            first.size,
            len(originals.pictures),
            first.peak.bit_length(),
            first.samples,
        ),
        result=ResultFile(
            naming.result,
            hashlib.sha256(data).hexdigest(),
            samples_sha256(upscaled),
            upscaled.size,
            output.file_format,
            output.quality,
            output.lossless,
            output.animate,
            with_label(upscaled.pictures[0], upscaler, output)[1],
            naming.signed_by,
        ),
        model=_model(upscaler.model_for(first), naming.asked),
        kernel=_described(kernel),
        own_kernel=describe_kernel(upscaler.kernel),
        factor=float(kernel.scale),
        settings=replace(upscaler.settings, tile=_shortened(done.tiles), noise=first.noise or None),
        sample=sample,
        promise=_promise(upscaler, kernel, done, evidence),
        verification=done.summary()["consistency"],
        machine=machine_of(upscaler),
        notes=(*done.notes, *done.consistency.notes()),
        limits=tuple(_limits(upscaler.model_for(first), first, kernel, output)),
        alpha_model=_model(upscaler.model, "") if _is_apart(upscaler, first) else None,
        twin=_model(upscaler.model.twin, "") if isinstance(upscaler.model, Textured) else None,
    )


def machine_of(upscaler: Upscaler) -> Machine:
    """Describe what an upscaler computes with."""
    precision = next(name for name, dtype in DTYPES.items() if dtype == upscaler.levels.dtype)
    return this_machine(upscaler.levels.device, precision)


def samples_sha256(frames: Frames) -> str:
    """Compute the SHA-256 of all samples, as `ResultFile.samples_sha256` says."""
    digest = hashlib.sha256()
    for picture in frames.pictures:
        rows = max(_STRIP // (picture.size[0] * picture.samples), 1)
        for top in range(0, picture.size[1], rows):
            strip = interleaved(picture, slice(top, top + rows))
            digest.update(strip.astype(strip.dtype.newbyteorder("<"), copy=False).tobytes())
    return digest.hexdigest()


def plain_name(path: Path | str) -> str:
    """Return the name of a file without its folder; bytes that are no text are escaped."""
    return Path(path).name.encode("utf-8", "backslashreplace").decode()


def _is_apart(upscaler: Upscaler, original: Picture) -> bool:
    """Tell whether alpha goes through another network than colour."""
    return original.alpha is not None and upscaler.model_for(original) is not upscaler.model


def _shortened(tiles: tuple[int, ...]) -> tuple[int, ...]:
    """Leave out what only repeats the last one: it stands for all that follow."""
    while len(tiles) > 1 and tiles[-1] == tiles[-2]:
        tiles = tiles[:-1]
    return tiles


def _described(kernel: AnyKernel) -> dict[str, Any]:
    if isinstance(kernel, Kernel):
        return describe_kernel(kernel)
    sizes = {"small": kernel.small[::-1], "large": kernel.large[::-1]}
    return {"name": kernel.name, "scale": kernel.scale, "sigma": kernel.sigma, **sizes}


def _model(model: Model, asked: str) -> ModelFile:
    card = model.card
    return ModelFile(
        name=card.name,
        file=plain_name(model.file),
        sha256=model.sha256,
        foreign=isinstance(model, Backbone),
        asked=asked,
        architecture=card.architecture,
        method=card.method,
        description=card.description,
        license=card.license,
        data=card.data,
    )


def _promise(upscaler: Upscaler, kernel: AnyKernel, done: UpscaleReport, evidence: dict[str, Any]) -> Promise:
    settings, details = upscaler.settings, dict(evidence)
    kind = str(details.pop("evidence"))
    small = f"the result, downscaled by {kernel.describe()},"
    kept = None
    if settings.strength < 1:
        text = f"nothing: strength {settings.strength:g} gives up a part of what the original says"
    elif settings.consistency == "none":
        text = "nothing: this is the network's picture as it is"
    elif settings.consistency == "float":
        text = f"{small} {_KEEPS.get(kind, _KEEPS['']).format(**details)}, but for clipping and rounding of the result"
    else:
        text, kept = f"{small} {_KEEPS.get(kind, _KEEPS['']).format(**details)}", done.consistency.holds
    return Promise(kind, details, settings.consistency, text, kept)


def _limits(model: Model, original: Picture, kernel: AnyKernel, output: Output) -> list[str]:
    """List what a result cannot tell."""
    guessed = 1 - 1 / kernel.scale**2
    limits = [
        f"{100 * guessed:.1f} % of what it shows is a guess: of all pictures that give the original back, it is one "
        "that the network takes for likely.",
        "Text, digits, number plates and faces that the original does not resolve are not in the result either, "
        "however sharp it looks. Nobody should be recognised, and nothing read or measured, by what was added.",
        "That the original is given back says nothing about whether the original is true: its noise, blur, compression "
        "and earlier changes are kept.",
    ]
    if not model.card.method:
        limits.append("It is not known how this network was trained: it may invent texture.")
    elif model.invents:
        limits.append("This model invents texture that looks natural; it is not the mean of what is plausible.")
    if not output.lossless:
        limits.append(f"{output.file_format} stores other samples than those that were computed.")
    return limits
