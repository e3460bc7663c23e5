"""Other people's networks as f: whatever spandrel loads, in the place of a checkpoint of ours.

Weights alone are read: a file never brings code with it.
"""

import pickle
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor

from mapsr_cli.errors import CheckpointError, MapsrError
from mapsr_cli.inference.memory import is_out_of_memory
from mapsr_cli.inference.tiled_network import PRECISION_HINT
from mapsr_cli.networks import Foreign
from mapsr_cli.networks.spandrel_library import import_spandrel
from mapsr_cli.operators import make_kernel
from mapsr_cli.operators.kernels import SCALES
from mapsr_cli.zoo import Card, Model, describe_kernel
from mapsr_cli.zoo.container import check_kind, opened
from mapsr_cli.zoo.manifest import sha256_of

KERNEL = "bicubic"
"""A, unless the call says otherwise: what nearly everybody trains for."""
_SAFE = "ask for a .safetensors file, or convert it where you trust it"
_UPSCALES = f"a backbone takes RGB and upscales it ×{', '.join(map(str, SCALES))}"


class Trunk(Foreign):
    """f(x): x [1, 3, h, w] in [0, 1] → [1, 3, s·h, s·w] in [0, 1], as spandrel calls its model.

    That pads an image that is too small for the architecture, or of the wrong multiple, by mirroring, and cuts the
    padding off; and it clips. The truth lies in the range, so what is clipped is only nearer to it, and Π nearer still.
    """

    def __init__(self, descriptor: Any, name: str) -> None:
        """Wrap `descriptor`, spandrel's `ImageModelDescriptor`."""
        super().__init__()
        self.network = descriptor.model  # registered here, so that `to` finds its tensors
        self.descriptor, self.name, self.scale = descriptor, name, descriptor.scale
        self.take_properties(descriptor)

    def forward(self, x: Tensor) -> Tensor:
        """Estimate; raise MapsrError where the network fails."""
        try:
            y: Tensor = self.descriptor(x)
            return y
        except Exception as error:  # other people's code may raise anything
            if is_out_of_memory(error):
                raise
            size = f"{x.shape[-1]}×{x.shape[-2]}"
            raise MapsrError(f"{self.name} fails at {size} pixels ({_reason(error)})", PRECISION_HINT) from error


@dataclass(frozen=True, eq=False)
class Backbone(Model):
    """Somebody else's network, ready for inference, with its properties."""

    @property
    def identity(self) -> str:
        """The file's name and SHA-256."""
        return f"{self.card.name} sha256:{self.sha256}"

    @property
    def takes_pictures(self) -> bool:
        """Yes: others are refused when they are read."""
        return True


def load_backbone(path: Path) -> Backbone:
    """Read a super-resolution network of 3 colours at ×2, 3, 4 or 8, in float32 and eval mode, with bicubic as A.

    Raises CheckpointError for a file that holds more than weights, none that spandrel knows, or a network of another
    purpose; MissingExtraError without spandrel; MapsrError where torchvision does not load.
    """
    reader = _reader_of(path)
    spandrel = import_spandrel()
    with warnings.catch_warnings(action="ignore"):  # other people's code is not ours to mend
        descriptor = _recognise(spandrel, _read(path, reader), path)
        _check(spandrel, descriptor, path)
        trunk = Trunk(descriptor, repr(path.name)[1:-1])  # names of files may hold anything
        trunk.eval().requires_grad_(False)
        _ = trunk.radius  # measured now, in the memory format that it is then left in
    kernel = make_kernel(KERNEL, descriptor.scale)
    return Backbone(
        card=Card(
            name=trunk.name,
            architecture=f"spandrel:{descriptor.architecture.id}",
            config={},
            kernel=describe_kernel(kernel),
            constraint="none",
            method="",
        ),
        network=trunk,
        kernel=kernel,
        file=path.name,
        sha256=sha256_of(path),
    )


def _read_safetensors(file: BufferedReader) -> dict[str, Any]:
    from safetensors.torch import load_file

    return load_file(file.name)


def _read_pickle(file: BufferedReader) -> dict[str, Any]:
    """Read a pickle, as the field publishes weights: tensors and plain containers, never code. Nothing else does."""
    weights: dict[str, Any] = torch.load(file, map_location="cpu", weights_only=True)
    return weights


Reader = Callable[[BufferedReader], dict[str, Any]]
READERS: dict[str, Reader] = {
    ".safetensors": _read_safetensors,
    ".pth": _read_pickle,
    ".pt": _read_pickle,
}
"""By the file's suffix."""


def _reader_of(path: Path) -> Reader:
    """Choose by the file's name; raise CheckpointError for another, and for what is no file of weights."""
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise CheckpointError(f"{path}: a backbone is a file of weights", f"one of {', '.join(READERS)}")
    with opened(path) as file:
        check_kind(file, path)
    return reader


def _read(path: Path, reader: Reader) -> dict[str, Any]:
    with opened(path) as file:
        try:
            return reader(file)
        except pickle.UnpicklingError as error:
            raise CheckpointError(f"{path}: holds more than weights; code in it is never run", _SAFE) from error
        except Exception as error:  # a damaged file may make torch raise anything
            raise CheckpointError(f"{path}: not a readable file of weights ({_reason(error)})", _SAFE) from error


def _recognise(spandrel: Any, weights: dict[str, Any], path: Path) -> Any:
    """Find spandrel's descriptor of the network that has these weights."""
    try:
        with torch.random.fork_rng(devices=[]):  # the seed is the user's
            return spandrel.MAIN_REGISTRY.load(weights)
    except spandrel.UnsupportedModelError as error:
        raise CheckpointError(
            f"{path}: spandrel {spandrel.__version__} knows no network with these weights",
            "a checkpoint of mapsr's own goes to --model",
        ) from error
    except Exception as error:  # it takes hyperparameters from shapes, which may say anything
        raise CheckpointError(f"{path}: spandrel cannot build its network ({_reason(error)})") from error


def _check(spandrel: Any, descriptor: Any, path: Path) -> None:
    name, scale = descriptor.architecture.id, descriptor.scale
    if not isinstance(descriptor, spandrel.ImageModelDescriptor):
        raise CheckpointError(f"{path}: {name} is an inpainting network", _UPSCALES)
    if scale == 1:
        raise CheckpointError(f"{path}: {name} does not upscale (×1)", _UPSCALES)
    if scale not in SCALES:
        raise CheckpointError(f"{path}: {name} ×{scale}", _UPSCALES)
    channels = descriptor.input_channels, descriptor.output_channels
    if channels != (3, 3):
        raise CheckpointError(f"{path}: {name} takes {channels[0]} and gives {channels[1]} channels", _UPSCALES)


def _reason(error: Exception) -> str:
    return shorten(str(error) or type(error).__name__, 200)
