"""A network in a sealed file: read exactly as it was written, or refused.

`read_container` holds lengths against the file, `restore` the tensors against the network that the header describes
(before memory is filled for it), and the seal every bit of both against what was written.
"""

import hashlib
import math
import threading
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from io import BufferedReader, BytesIO
from pathlib import Path
from textwrap import shorten
from typing import Any, TypeVar

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from mapsr_cli.errors import CheckpointError
from mapsr_cli.files import write_bytes
from mapsr_cli.zoo.card import read_header, seal, to_metadata
from mapsr_cli.zoo.container import Container, TensorEntry, opened, read_container

Description = TypeVar("Description")
DTYPES = {
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F32": torch.float32,
    "F64": torch.float64,
    "I64": torch.int64,
    "U8": torch.uint8,
}
_CHUNK = 1 << 18
"""Bytes read at a time: loading takes the network's memory and this."""


def write_checkpoint(path: Path, network: nn.Module, header: dict[str, Any], dtype: torch.dtype) -> None:
    """Write a network's weights in `dtype` (a floating one of DTYPES) and a header of JSON values, sealed.

    Raises CheckpointError for tensors of another dtype or another header, FileError where writing fails.
    """
    write_tensors(
        path,
        {
            name: tensor.detach().to("cpu", dtype if tensor.is_floating_point() else tensor.dtype).contiguous()
            for name, tensor in network.state_dict().items()
        },
        header,
    )


def write_tensors(path: Path, tensors: dict[str, Tensor], header: dict[str, Any]) -> None:
    """Write contiguous tensors, bit for bit, and a header, sealed.

    Raises CheckpointError for a header that is not plain JSON, FileError where writing fails.
    """
    unsealed = save(tensors)
    container = read_container(BytesIO(unsealed), path)
    try:
        sealed = seal(header, container.table())
    except (TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: not written, its header is not plain JSON ({error})") from error
    sealed.update(memoryview(unsealed)[container.data_start :])
    write_bytes(path, save(tensors, to_metadata(header, sealed.hexdigest())))


def restore(
    path: Path, understand: Callable[[dict[str, Any]], Description], build: Callable[[Description], nn.Module]
) -> tuple[Description, nn.Module]:
    """Read a file's header and the network that it holds, in eval mode and without gradients.

    `understand` makes of the header's JSON values whatever `build` needs to make the network, untrained. Raises
    CheckpointError, in one line, for a file that is damaged, of an unknown format, or whose tensors are not exactly
    that network's, all finite.
    """
    with opened(path) as file:
        container = read_container(file, path)
        header, digest = read_header(container, path)
        description = understand(header)
        network = _unfilled(lambda: build(description), container, path)
        sealed = seal(header, container.table())
        _fill(network, container, file, sealed, path)
    if sealed.hexdigest() != digest:
        raise CheckpointError(f"{path}: its bytes are not those that were saved (SHA-256)", "fetch or copy it again")
    return description, network.eval().requires_grad_(False)


def _unfilled(build: Callable[[], nn.Module], container: Container, path: Path) -> nn.Module:
    """Build the network, not yet filled; raise CheckpointError unless its tensors are those of the file."""
    try:
        with _no_more_than(container.tensors.values()), torch.random.fork_rng(devices=[]):  # the seed is the user's
            network = build()
    except CheckpointError:
        raise
    except Exception as error:  # a constructor may raise anything when given nonsense
        reason = shorten(str(error) or type(error).__name__, 200)
        raise CheckpointError(f"{path}: the header describes no network ({reason})") from error
    _compare(network.state_dict(), container.tensors, path)
    return network


@contextmanager
def _no_more_than(entries: Collection[TensorEntry]) -> Iterator[None]:
    """Give up a network built in here, in this thread, once it is larger than the file: a header can ask for any.

    Parameters are counted as modules register them, which is before anything is written into their memory.
    """
    thread, tensors, numbers = threading.get_ident(), 0, 0
    most = sum(math.prod(entry.shape) for entry in entries)

    def registered(module: nn.Module, name: str, parameter: nn.Parameter) -> None:
        nonlocal tensors, numbers
        if threading.get_ident() == thread:
            tensors, numbers = tensors + 1, numbers + parameter.numel()
        if tensors > len(entries) or numbers > most:
            raise ValueError(f"it is larger than the file's {len(entries)} tensors of {most} numbers")

    handle = register_module_parameter_registration_hook(registered)
    try:
        yield
    finally:
        handle.remove()


def _compare(network: dict[str, Tensor], file: dict[str, TensorEntry], path: Path) -> None:
    if odd := sorted(network.keys() ^ file.keys()):
        raise CheckpointError(f"{path}: missing or unexpected tensor '{odd[0]}' ({len(odd)} in all)")
    for name, entry in file.items():
        if list(entry.shape) != list(network[name].shape):
            raise CheckpointError(f"{path}: '{name}' is {list(entry.shape)}, not {list(network[name].shape)}")
        if DTYPES[entry.dtype].is_floating_point != network[name].is_floating_point():
            raise CheckpointError(f"{path}: '{name}' is {entry.dtype}, another kind of number than the network has")


def _fill(network: nn.Module, container: Container, file: BufferedReader, sealed: "hashlib._Hash", path: Path) -> None:
    """Copy the file's tensors into the network and feed their bytes to the seal, piece by piece."""
    targets = network.state_dict()
    for name, entry in container.tensors.items():
        flat, done = targets[name].view(-1), 0
        for piece in _pieces(file, entry.end - entry.start):
            sealed.update(piece)
            values = torch.frombuffer(piece, dtype=DTYPES[entry.dtype])
            part = flat[done : done + len(values)].copy_(values)
            if not bool(part.isfinite().all()):  # as copied: float64 holds numbers that float32 does not
                raise CheckpointError(f"{path}: '{name}' holds values that are not finite")
            done += len(values)
        if done != math.prod(entry.shape):
            raise CheckpointError(f"{path}: became shorter while it was read")


def _pieces(file: BufferedReader, length: int) -> Iterator[bytearray]:
    """Read `length` bytes in pieces; fewer only if the file has become shorter since."""
    while length > 0:
        size = min(length, _CHUNK)
        piece = bytearray(size)
        if file.readinto(piece) < size:
            return
        length -= size
        yield piece
