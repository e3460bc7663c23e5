"""One checkpoint: safetensors, with a JSON header that says what the tensors are and how they came to be."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import nn

from mapsr_cli.errors import CheckpointError, KernelError, UsageError
from mapsr_cli.networks import ARCHITECTURES, AnyGeneratorConfig, build, read_config
from mapsr_cli.operators import Kernel, Psf, make_kernel, psf_of_taps

FORMAT_VERSION = 1
HEADER = "mapsr"


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
    """`name`, `scale`, `sigma` of A, or `taps` if measured; `phase` and `border` for whoever builds A elsewhere."""
    constraint: str
    """`affine`: the estimate is Π f."""
    method: str
    """A row of the method table: `affmse`, …"""
    training: dict[str, Any] = field(default_factory=dict)
    """Data and terms, steps, minutes."""
    metrics: dict[str, Any] = field(default_factory=dict)
    """Measured figures, with their protocol."""
    version: str = ""
    """mapsr's version that wrote it."""

    def make_kernel(self) -> Kernel:
        """A."""
        return restore_kernel(self.kernel)


def describe_kernel(kernel: Kernel) -> dict[str, Any]:
    """The `kernel` field of a card. A measured kernel is nowhere else, so its taps are there too."""
    described = {
        "name": kernel.name,
        "scale": kernel.scale,
        "sigma": kernel.sigma,
        "phase": kernel.phase,
        "border": "symmetric",
    }
    return {**described, "taps": kernel.taps} if isinstance(kernel, Psf) else described


def restore_kernel(described: dict[str, Any]) -> Kernel:
    """A from what `describe_kernel` said of it. Raises UsageError or KernelError for what describes none."""
    name, scale = described["name"], described["scale"]
    if "taps" in described:
        return psf_of_taps(name, described["taps"], scale)
    return make_kernel(name, scale, described["sigma"])


@dataclass(frozen=True, eq=False)
class Model:
    """A network ready for inference, with its card."""

    card: Card
    network: nn.Module
    kernel: Kernel

    @property
    def reach(self) -> int:
        """LR pixels on each side that an output pixel depends on."""
        return int(self.network.reach)  # type: ignore[arg-type]


def save_model(path: Path, network: nn.Module, card: Card, dtype: torch.dtype = torch.float32) -> None:
    """Write weights in `dtype` and the card; to a temporary file first."""
    write_checkpoint(path, network, asdict(card), dtype)


def write_checkpoint(path: Path, network: nn.Module, header: dict[str, Any], dtype: torch.dtype) -> None:
    """Write a network's tensors and a header; to a temporary file first."""
    tensors = {
        k: v.detach().to("cpu", dtype if v.is_floating_point() else v.dtype).contiguous()
        for k, v in network.state_dict().items()
    }
    data = save(tensors, {HEADER: json.dumps({"format": FORMAT_VERSION, **header}, sort_keys=True)})
    partial = path.with_suffix(".partial")
    partial.write_bytes(data)
    partial.replace(path)


def load_model(path: Path) -> Model:
    """Read a checkpoint into a float32 network in eval mode.

    Raises CheckpointError, in one line, for a file that is damaged, of an unknown format, or whose tensors are not
    exactly the network's that its header describes, all finite.
    """
    header, tensors = read_checkpoint(path)
    card = _read_card(header, path)
    network = _build(card, path)
    check_tensors(network.state_dict(), tensors, path)
    network.load_state_dict(tensors)
    return Model(card, network.eval().requires_grad_(False), card.make_kernel())


def read_checkpoint(path: Path) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Header and tensors of a file that `write_checkpoint` wrote. Raises CheckpointError for any other."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise CheckpointError(f"{path}: not a readable safetensors file ({error})") from error
    try:
        header: dict[str, Any] = json.loads(metadata[HEADER])
        version = header.pop("format")
    except (KeyError, ValueError, AttributeError, TypeError) as error:
        raise CheckpointError(
            f"{path}: a safetensors file, but not a mapsr checkpoint (no '{HEADER}' header)"
        ) from error
    if version != FORMAT_VERSION:
        raise CheckpointError(f"{path}: checkpoint format {version}; this mapsr reads {FORMAT_VERSION}", "update mapsr")
    return header, tensors


def _read_card(header: dict[str, Any], path: Path) -> Card:
    try:
        return Card(**header)
    except TypeError as error:
        raise CheckpointError(f"{path}: the header's fields are not a card's ({error})") from error


def _build(card: Card, path: Path) -> nn.Module:
    if card.architecture not in ARCHITECTURES:
        raise CheckpointError(f"{path}: unknown architecture '{card.architecture}'", "update mapsr")
    try:
        config = read_config(card.architecture, card.config)
        kernel = card.make_kernel()
        if not isinstance(config, AnyGeneratorConfig):
            raise UsageError(f"'{card.architecture}' does not upscale")
        network = build(config)
    except (TypeError, ValueError, KeyError, RuntimeError, AttributeError, KernelError, UsageError) as error:
        raise CheckpointError(f"{path}: the header describes no network ({error})") from error
    if kernel.scale != config.scale:
        raise CheckpointError(f"{path}: the network is ×{config.scale} but its kernel ×{kernel.scale}")
    return network


def check_tensors(wanted: dict[str, torch.Tensor], found: dict[str, torch.Tensor], path: Path) -> None:
    """Raises CheckpointError unless `found` are just the tensors `wanted`, by name, shape and kind, all finite."""
    if odd := sorted(wanted.keys() ^ found.keys()):
        raise CheckpointError(f"{path}: missing or unexpected tensor '{odd[0]}' ({len(odd)} in all)")
    for name, tensor in found.items():
        if tensor.shape != wanted[name].shape:
            raise CheckpointError(f"{path}: '{name}' is {list(tensor.shape)}, not {list(wanted[name].shape)}")
        is_same_kind = tensor.is_floating_point() == wanted[name].is_floating_point()
        if not (is_same_kind and bool(tensor.isfinite().all())):
            raise CheckpointError(f"{path}: '{name}' does not hold the finite numbers of its kind")
