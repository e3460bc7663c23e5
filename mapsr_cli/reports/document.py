"""The report of an upscaled file: what it holds, and how it is written and read.

The fields are documented here, and published as a JSON schema in docs/report.schema.json (`tools/report_schema.py`).
"""

import hashlib
import json
import re
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from mapsr_cli.configs import make_config
from mapsr_cli.errors import MapsrError, ReportError
from mapsr_cli.inference import Settings
from mapsr_cli.reports.machine import Machine
from mapsr_cli.zoo import strict_json
from mapsr_cli.zoo.card import Dataset

FORMAT = 1
MARK, SEAL = "mapsr_report", "report_sha256"
_BLANK = "0" * 64
_SEALED = re.compile(rb'(?<="' + SEAL.encode() + rb'": ")[0-9a-f]{64}(?=")')
_LARGEST = 1 << 26
"""Bytes of a document; a report has 10 kB, and with the largest kernel that may be measured 300."""


@dataclass(frozen=True)
class OriginalFile:
    """The file that was upscaled."""

    name: str
    """Without its folder."""
    sha256: str
    """Of its bytes."""
    size: tuple[int, int]
    """(width, height) in pixels, as it is seen."""
    frames: int
    """Frames of an animation or pages of a TIFF; 1 for a picture."""
    bits: int
    """Of a sample, as it was taken: 8 or 16."""
    channels: int
    """Samples of a pixel, alpha included, as it was taken."""


@dataclass(frozen=True)
class ResultFile:
    """The file that was made of it."""

    name: str
    """Without its folder."""
    sha256: str
    """Of its bytes; of a file that was signed then, before that, as no two signatures are the same."""
    samples_sha256: str
    """Of all samples before they were encoded: row by row, each pixel's colour and then its alpha, 16 bits
    little-endian, one frame after another. A lossless file decodes to the same ones."""
    size: tuple[int, int]
    """(width, height) in pixels."""
    file_format: str
    """`PNG`, `TIFF`, …"""
    quality: int | None
    """As it was asked for; of JPEG, AVIF and lossy WebP."""
    lossless: bool
    """Whether the file keeps every sample."""
    animate: bool
    """Whether animations were taken, frame by frame."""
    label: str | None
    """IPTC digital source type in its XMP: `algorithmicallyEnhanced`, or `compositeWithTrainedAlgorithmicMedia` of a
    model that invents; None where mapsr wrote none."""
    signed_by: str | None
    """Whose certificate signed the file and this report by C2PA; None where nobody's did."""


@dataclass(frozen=True)
class ModelFile:
    """The network, and what is known of how it came to be."""

    name: str
    """As its card says."""
    file: str
    """Without its folder."""
    sha256: str
    """Of that file."""
    foreign: bool
    """Whether it is another project's network (`--backbone`), of which the file says nothing more."""
    asked: str
    """How it was asked for, where that is no path: a bundled name, or `org/repo[@revision]`."""
    architecture: str
    method: str
    """How it was trained: a row of mapsr's table of methods."""
    description: str
    license: str
    """Of the weights."""
    data: tuple[Dataset, ...]
    """What it was trained on, with the terms."""


@dataclass(frozen=True)
class Promise:
    """What was promised of the result, and whether it was kept."""

    evidence: str
    """What was taken as known of the original, as `mapsr upscale --json` names it: `levels`, its samples as they are
    stored; `noise`, those within ±3 σ; or another kind."""
    evidence_is: dict[str, Any]
    """What goes with that kind: the σ of noise, in levels of 255."""
    consistency: str
    """`bits`, `float` or `none`: how closely the result gives that back."""
    text: str
    """The same as a sentence."""
    kept: bool | None
    """Whether the file that was written keeps it; None where nothing was promised."""


@dataclass(frozen=True)
class FileReport:
    """Everything that is needed to make a result again from its original and its model, and to judge it."""

    written: str
    """Time, UTC."""
    command: str
    """With the names of files in place of their paths, and this original alone where there were several."""
    original: OriginalFile
    result: ResultFile
    model: ModelFile
    kernel: dict[str, Any]
    """A, the filter that makes the result small again: name, scale, and the taps with the place of the first one along
    an axis (in the plane, if it was measured); between sizes without a whole factor, the sizes, `small` and `large`."""
    own_kernel: dict[str, Any]
    """The same at the factor that the model was trained for, from which A follows."""
    factor: float
    """Pixels of the result per pixel of the original along a side."""
    settings: Settings
    """How it was upscaled; `tile` holds the sides of the tiles that were taken."""
    sample: int
    """Number of the draw of a model that draws its results at random."""
    promise: Promise
    verification: dict[str, Any]
    """What the file that was written gives back, as `mapsr upscale --json` has it."""
    machine: Machine
    """What it was computed with."""
    notes: tuple[str, ...]
    """What mapsr had to say about this picture."""
    limits: tuple[str, ...]
    """What the result cannot tell."""
    alpha_model: ModelFile | None = None
    """The network of the alpha channel, where it is not that of the colour: `model` may be one for noise."""
    twin: ModelFile | None = None
    """The second network of a mixture, whose share is `settings.texture`."""

    def to_json(self) -> bytes:
        """Write it as JSON with a SHA-256 of itself.

        That is the SHA-256 of the file in which its own 64 digits are zeros. It tells that something was changed, not
        by whom: whoever changes the report can compute it anew.
        """
        content = {MARK: FORMAT, SEAL: _BLANK, **asdict(self)}
        blank = (json.dumps(content, indent=2, ensure_ascii=True, allow_nan=False) + "\n").encode()
        return _SEALED.sub(hashlib.sha256(blank).hexdigest().encode(), blank, count=1)

    @property
    def seal(self) -> str:
        """The SHA-256 of itself that it states."""
        found = _SEALED.search(self.to_json())
        assert found is not None
        return found[0].decode()


def read_report(path: Path) -> FileReport:
    """Read a report. Raises ReportError for a file that is none, or that was changed since it was written."""
    return parse_report(read_document(path), str(path))


def read_document(path: Path) -> bytes:
    """Read the bytes of a JSON document of ours. Raises ReportError where that is not possible."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except OSError as error:
        raise ReportError(f"cannot read {path}: {error.strerror or error}") from error
    if len(data) > _LARGEST:
        raise ReportError(f"{path} is no report of mapsr's: it has more than {_LARGEST >> 20} MiB")
    return data


def parse_report(data: bytes, where: str) -> FileReport:
    """Parse the bytes of a report. Raises ReportError as `read_report`."""
    changed = ReportError(
        f"{where} was changed since it was written: its bytes do not have the SHA-256 that it states",
        "take the report as it was written",
    )
    try:
        values = strict_json.parse(data)
        version = values.pop(MARK)
        digest = values.pop(SEAL)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        if f'"{MARK}"'.encode() in data:
            raise changed from error
        raise ReportError(f"{where} is no report of mapsr's", "mapsr upscale --report writes one") from error
    if version != FORMAT:
        raise ReportError(f"{where}: a report of format {str(version)[:20]}; this mapsr reads {FORMAT}", "update mapsr")
    if not _is_sealed(data, digest):
        raise changed
    try:
        return make_config(FileReport, values, "report")
    except MapsrError as error:
        raise ReportError(f"{where} is no report that this mapsr can read: {error}", error.hint) from error


def _is_sealed(data: bytes, digest: object) -> bool:
    """Tell whether a report with these bytes states its own SHA-256."""
    blank, places = _SEALED.subn(_BLANK.encode(), data)
    return places == 1 and digest == hashlib.sha256(blank).hexdigest()
