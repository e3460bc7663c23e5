"""A run's whole state in one safetensors file: nested dicts and lists of tensors and plain values, nothing pickled."""

import json
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from mapsr_cli.errors import CheckpointError
from mapsr_cli.files import write_bytes

HEADER = "mapsr-run"


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
    write_bytes(path, save(tensors, {HEADER: header}))


def load_state(path: Path) -> dict[str, Any]:
    """Read what `save_state` wrote, on the CPU. Raises CheckpointError for anything else."""
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {})[HEADER])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        state = _unpack(header, tensors)
    except (SafetensorError, OSError, KeyError, ValueError, AttributeError, TypeError) as error:
        raise CheckpointError(f"{path}: not the checkpoint of a run ({error})", "start the run again") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: not the checkpoint of a run")
    return state


def load_module(module: torch.nn.Module, state: dict[str, Tensor], path: Path) -> None:
    """Load a module's weights. Raises CheckpointError where they do not fit."""
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise CheckpointError(
            f"{path}: does not fit this run's networks ({str(error).splitlines()[-1].strip()})",
            "resume with the settings that the run was started with",
        ) from error
