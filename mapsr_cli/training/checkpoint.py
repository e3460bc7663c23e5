"""A run's whole state in one sealed safetensors file: nested dicts and lists of tensors and plain values, no pickle."""

import hashlib
import json
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mapsr_cli.errors import CheckpointError
from mapsr_cli.files import write_bytes

HEADER, SEAL = "mapsr-run", "sha256"
"""Keys of the file's metadata."""
MORE = "--resume needs a checkpoint; start the run again in another folder"


def _pack(value: Any, at: str, tensors: dict[str, Tensor]) -> Any:
    """Return `value` as JSON; its tensors go to `tensors`, under the path where they stood."""
    match value:
        case Tensor():
            tensors[at] = value.detach().cpu().contiguous().clone()
            return {"$tensor": at}
        case dict():
            return {"$dict": [[key, _pack(item, f"{at}/{key}", tensors)] for key, item in value.items()]}
        case list() | tuple():
            kind = "$tuple" if isinstance(value, tuple) else "$list"
            return {kind: [_pack(item, f"{at}/{i}", tensors) for i, item in enumerate(value)]}
        case None | bool() | int() | float() | str():
            return value
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__} ({at})")


def _unpack(value: Any, tensors: dict[str, Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    match kind:
        case "$tensor":
            return tensors[content]
        case "$dict":
            return {key: _unpack(item, tensors) for key, item in content}
        case "$list":
            return [_unpack(item, tensors) for item in content]
        case "$tuple":
            return tuple(_unpack(item, tensors) for item in content)
    raise ValueError(f"unknown kind {kind}")


def save_state(path: Path, state: dict[str, Any]) -> None:
    """Write the state whole or not at all: a killed run keeps its last checkpoint. Raises FileError."""
    tensors: dict[str, Tensor] = {}
    header = json.dumps(_pack(state, "", tensors))
    write_bytes(path, save(tensors, {HEADER: header, SEAL: _seal(header, tensors)}))


def _seal(header: str, tensors: dict[str, Tensor]) -> str:
    """Compute the SHA-256 of everything that a checkpoint holds."""
    digest = hashlib.sha256(header.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy())  # type: ignore[arg-type]
    return digest.hexdigest()


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote, on the CPU. Raises CheckpointError for anything else, by one bit."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        header = metadata[HEADER]
        if metadata[SEAL] != _seal(header, tensors):
            raise CheckpointError(f"{path}: its bytes are not those that were saved (SHA-256)", MORE)
        state = _unpack(json.loads(header), tensors)
    except (SafetensorError, OSError, KeyError, ValueError, AttributeError, TypeError, RecursionError) as error:
        reason = shorten(f"{type(error).__name__}: {error}", 200)
        raise CheckpointError(f"{path}: not the checkpoint of a run ({reason})", MORE) from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: not the checkpoint of a run", MORE)
    return state
