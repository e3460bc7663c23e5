"""What a checkpoint says about itself, and the strict reading of it. No torch here: see `container`."""

import hashlib
import math
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from mapsr_cli.errors import CheckpointError
from mapsr_cli.zoo import strict_json
from mapsr_cli.zoo.container import Container
from mapsr_cli.zoo.error_bars import ErrorBars, parse_error_bars

if TYPE_CHECKING:
    from mapsr_cli.operators import Kernel

FORMAT_VERSION = 2
HEADER = "mapsr"
"""The key of the container's metadata that holds the card."""
VALUE_RANGE = [0, 1]
"""What a network takes and estimates: the only range there is."""
BORDER = "symmetric"
_KERNEL_FIELDS = {"name", "scale", "sigma", "phase", "border", "first", "taps", "sha256"}
_SEAL = "sha256"
_LEARNT = "pinv_taps"
_BARS = "error_bars"
_LONGEST_LINE = 4000
_DEEPEST = 16


@dataclass(frozen=True)
class Dataset:
    """Images that a network learnt from."""

    name: str
    """`BSDS500 train + test`."""
    terms: str
    """Under what terms: a licence, or where it came from and what that place says."""
    images: int | None = None
    """How many."""


@dataclass(frozen=True)
class Card:
    """What a checkpoint says about itself."""

    name: str
    """`natural-x4-affmse`."""
    architecture: str
    """A key of networks.ARCHITECTURES; to upscale, a generator's."""
    config: dict[str, Any]
    """Fields of the architecture's config."""
    kernel: dict[str, Any]
    """A, as `describe_kernel` gives it: name, taps, phase, border, and the hash of them."""
    constraint: str
    """`affine`: the estimate is Π f."""
    method: str
    """A row of the method table: `affmse`, …"""
    training: dict[str, Any] = field(default_factory=dict)
    """Steps, minutes, whatever else tells how."""
    metrics: dict[str, Any] = field(default_factory=dict)
    """Measured figures, with their `protocol`."""
    version: str = ""
    """mapsr's version that wrote it."""
    description: str = ""
    """One line."""
    license: str = ""
    """Of the weights, as the Hub spells licences: `apache-2.0`."""
    data: tuple[Dataset, ...] = ()
    """What it learnt from, with the terms."""
    pinv_taps: int = 0
    """Side of the kernels of a learnt A⁺, in LR pixels, which lie beside the weights; 0: the exact A⁺, and no field."""
    error_bars: ErrorBars | None = None
    """How far the truth lies from its estimates; None where nobody has calibrated it, and no field."""

    @property
    def scale(self) -> int:
        """HR pixels per LR pixel."""
        return int(self.kernel["scale"])

    def make_kernel(self) -> "Kernel":
        """Build A. Raises as `restore_kernel`."""
        return restore_kernel(self.kernel)

    def to_header(self) -> dict[str, Any]:
        """Convert to JSON values; a figure that is not finite becomes null."""
        header = {"scale": self.kernel.get("scale"), "value_range": VALUE_RANGE, **asdict(self)}
        if not self.pinv_taps:
            del header[_LEARNT]
        if self.error_bars is None:
            del header[_BARS]
        return {key: _finite(value) for key, value in header.items()}


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(entry) for entry in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def describe_kernel(kernel: "Kernel") -> dict[str, Any]:
    """Describe A for the `kernel` field of a card: its name, and enough to build it without mapsr.

    `first`, `phase` and `taps` are of one axis, or of the plane where A is measured and need not be separable.
    """
    described = {
        "name": kernel.name,
        "scale": kernel.scale,
        "sigma": kernel.sigma,
        "phase": kernel.phase,
        "border": BORDER,
        "first": kernel.first,
        "taps": kernel.taps,
    }
    described = {key: _finite(value) for key, value in described.items()}
    return {**described, "sha256": kernel_hash(described)}


def restore_kernel(described: dict[str, Any]) -> "Kernel":
    """Build A from its description: by name, or from the taps of a measured kernel.

    Raises UsageError if the name is none that this mapsr knows, KernelError for taps that are no kernel.
    """
    from mapsr_cli.operators import make_kernel, psf_of_taps  # which import torch

    name, scale, taps = (described[key] for key in ("name", "scale", "taps"))
    if isinstance(taps, list) and taps and isinstance(taps[0], list):
        return psf_of_taps(name, taps, scale)
    return make_kernel(name, scale, described["sigma"])


def kernel_hash(described: dict[str, Any]) -> str:
    """Compute the SHA-256 of what determines A: scale, border, first tap and taps."""
    return hashlib.sha256(
        strict_json.canonical({k: described[k] for k in ("scale", "border", "first", "taps")})
    ).hexdigest()


def seal(header: dict[str, Any], table: dict[str, list[Any]]) -> "hashlib._Hash":
    """Start a SHA-256 of a header and the tensors' names, dtypes, shapes and places, before the tensors' bytes.

    Its digest is stored beside them as `sha256`: a file of which one bit of meaning has changed does not load.
    """
    return hashlib.sha256(strict_json.canonical({"header": header, "tensors": table}))


def to_metadata(header: dict[str, Any], digest: str) -> dict[str, str]:
    """Make the container's metadata of a header and its seal."""
    return {HEADER: strict_json.canonical({"format": FORMAT_VERSION, **header, _SEAL: digest}).decode()}


def read_header(container: Container, where: object) -> tuple[dict[str, Any], str]:
    """Read a header's JSON values and its seal. Raises CheckpointError for another format, or none."""
    try:
        header = strict_json.parse(container.metadata[HEADER].encode())
        version = header.pop("format")
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{where}: a safetensors file, but not a mapsr checkpoint (no '{HEADER}' header)",
            "another tool's super-resolution network goes to mapsr upscale --backbone",
        ) from error
    if type(version) is not int or version != FORMAT_VERSION:
        shown = version if type(version) is int and abs(version) < 10**6 else "of another kind"
        newer = type(version) is int and version > FORMAT_VERSION
        hint = "update mapsr" if newer else "fetch the model again, or train it with this mapsr"
        raise CheckpointError(f"{where}: checkpoint format {shown}; this mapsr reads {FORMAT_VERSION}", hint)
    if extra := container.metadata.keys() - {HEADER}:
        raise CheckpointError(f"{where}: unknown metadata beside '{HEADER}' ({len(extra)} in all)")
    digest = header.pop(_SEAL, None)
    if not isinstance(digest, str):
        raise CheckpointError(f"{where}: the header has no '{_SEAL}'")
    return header, digest


def parse_card(header: dict[str, Any], where: object) -> Card:
    """Read a card from JSON values. Raises CheckpointError for a field that is missing, unknown or of another kind."""
    try:
        return _card(header)
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{where}: the header is not a card's: {error}") from error


def _card(header: dict[str, Any]) -> Card:
    known = {f.name for f in fields(Card)} | {"scale", "value_range"}
    if odd := sorted((header.keys() ^ known) - {_LEARNT, _BARS}):
        known_one = odd[0] in known
        raise ValueError(f"'{odd[0]}' is missing" if known_one else "it has a field that this mapsr does not know")
    kernel = header["kernel"]
    if not (isinstance(kernel, dict) and kernel.keys() == _KERNEL_FIELDS):
        raise ValueError("'kernel' has other fields than " + ", ".join(sorted(_KERNEL_FIELDS)))
    if header["scale"] != kernel["scale"] or type(header["scale"]) is not int:
        raise ValueError("'scale' is not the kernel's")
    if header["value_range"] != VALUE_RANGE:
        raise ValueError("'value_range' is not [0, 1]")
    if kernel["sha256"] != kernel_hash(kernel):
        raise ValueError("the kernel's taps do not have the kernel's hash")
    for key in ("name", "architecture", "constraint", "method", "version", "description", "license"):
        if not isinstance(header[key], str):
            raise ValueError(f"'{key}' is not text")
    for key in ("config", "training", "metrics"):
        if not isinstance(header[key], dict):
            raise ValueError(f"'{key}' is not an object")
    if _LEARNT in header:
        if type(header[_LEARNT]) is not int or header[_LEARNT] < 1:
            raise ValueError(f"'{_LEARNT}' is not a whole number from 1 on")
        if header["constraint"] != "affine":
            raise ValueError(f"'{_LEARNT}' goes with the constraint 'affine' alone")
    _plain(header, 0)
    data = header["data"]
    if not (isinstance(data, list | tuple) and all(isinstance(entry, dict) for entry in data)):
        raise ValueError("'data' is not a list of objects")
    card = {key: value for key, value in header.items() if key not in ("scale", "value_range")}
    bars = parse_error_bars(header[_BARS]) if _BARS in header else None
    return Card(**{**card, "data": tuple(_dataset(entry) for entry in data), _BARS: bars})


def _dataset(entry: dict[str, Any]) -> Dataset:
    if not (entry.keys() == {"name", "terms", "images"} and type(entry["images"]) in (int, type(None))):
        raise ValueError("'data' has other fields than name, terms and images")
    if not (isinstance(entry["name"], str) and isinstance(entry["terms"], str)):
        raise ValueError("'data' has a name or terms that are not text")
    return Dataset(**entry)


def _plain(value: Any, depth: int) -> None:
    """Raise ValueError unless it holds JSON values alone, single printable lines of text, not too deep."""
    if depth > _DEEPEST:
        raise ValueError("it is nested too deeply")
    if isinstance(value, dict):
        for key, entry in value.items():
            _plain(key, depth + 1)
            _plain(entry, depth + 1)
    elif isinstance(value, list | tuple):
        for entry in value:
            _plain(entry, depth + 1)
    elif isinstance(value, str):
        if not (value.isprintable() and len(value) <= _LONGEST_LINE):
            raise ValueError(f"it holds text that is not one printable line of at most {_LONGEST_LINE} characters")
    elif not isinstance(value, bool | int | float | None):
        raise ValueError(f"it holds a {type(value).__name__}")
