"""A strict reader of safetensors containers: every length is checked against the file before memory is allocated.

The safetensors library checks less (gaps, names, sizes of headers) and does not say where tensors lie, which the seal
covers.
No torch here, so that commands which only list models start at once.
Format: https://huggingface.co/docs/safetensors/index#format
"""

import math
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO

from mapsr_cli.errors import CheckpointError
from mapsr_cli.zoo import strict_json

MAX_HEADER = 1 << 20
"""Bytes. The format allows 100 MB; a network of a thousand tensors needs 150 kB."""
ITEM_BYTES = {"F16": 2, "BF16": 2, "F32": 4, "F64": 8, "I64": 8, "U8": 1}
"""The dtypes that networks are stored in: weights, and the step counts of batch normalisation; A⁺ in float64."""
_METADATA = "__metadata__"
_MOST_DIMENSIONS = 8


@dataclass(frozen=True)
class TensorEntry:
    """Where one tensor lies."""

    dtype: str
    """A key of ITEM_BYTES."""
    shape: tuple[int, ...]
    start: int
    """First byte, counted from the end of the header."""
    end: int
    """One past the last."""


@dataclass(frozen=True)
class Container:
    """What a file's header says, checked against the file's size."""

    tensors: dict[str, TensorEntry]
    """In the order in which they lie in the file, without gaps."""
    metadata: dict[str, str]
    """Text."""
    data_start: int
    """Where the tensors' bytes begin."""

    def table(self) -> dict[str, list[Any]]:
        """Convert the tensors' places to JSON values, for hashing."""
        return {name: [e.dtype, list(e.shape), e.start, e.end] for name, e in self.tensors.items()}


@contextmanager
def opened(path: Path) -> Iterator[BufferedReader]:
    """Open a regular file for reading. Raises CheckpointError for anything else (a pipe would block)."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise CheckpointError(f"{path}: not a regular file")
        file = path.open("rb")
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise CheckpointError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    with file:
        yield file


def check_kind(file: BinaryIO, path: Path) -> None:
    """Raise CheckpointError for what is often found in place of weights; the file is left at its beginning."""
    file.seek(0)
    head = file.read(256).lstrip().lower()
    file.seek(0)
    if head.startswith(b"version https://git-lfs."):
        raise CheckpointError(f"{path}: a Git-LFS pointer, not the weights themselves", "git lfs pull fetches them")
    if head.startswith((b"<!doctype", b"<html", b"<?xml")):
        raise CheckpointError(f"{path}: a web page, not weights", "download the file itself, not the page about it")


def read_container(file: BinaryIO, path: Path) -> Container:
    """Read the header; the file is left where the tensors' bytes begin. Raises CheckpointError if it is not sound."""
    check_kind(file, path)
    try:
        size = file.seek(0, 2)
        file.seek(0)
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > size - 8:
            raise ValueError("truncated, or no safetensors file")
        if length > MAX_HEADER:
            raise ValueError(f"its header claims {length} bytes, more than {MAX_HEADER}")
        content = strict_json.parse(file.read(length))
        if not isinstance(content, dict):
            raise ValueError("its header is no JSON object")
        metadata = content.pop(_METADATA, {})
        if not (isinstance(metadata, dict) and all(isinstance(text, str) for text in metadata.values())):
            raise ValueError("its metadata are not text")
        tensors = {name: _entry(name, value) for name, value in content.items()}
        return Container(_in_order(tensors, size - 8 - length), metadata, 8 + length)
    except ValueError as error:
        raise CheckpointError(f"{path}: not a valid safetensors file ({error})", "fetch or copy it again") from error


def _entry(name: str, value: Any) -> TensorEntry:
    if not (name.isprintable() and 0 < len(name) <= 200):
        raise ValueError("a tensor's name is not printable")
    if not (isinstance(value, dict) and value.keys() == {"dtype", "shape", "data_offsets"}):
        raise ValueError(f"'{name}' has other fields than dtype, shape and data_offsets")
    dtype, shape, offsets = value["dtype"], value["shape"], value["data_offsets"]
    if not (isinstance(dtype, str) and dtype in ITEM_BYTES):
        raise ValueError(f"the dtype of '{name}' is none of {', '.join(ITEM_BYTES)}")
    if not (_whole_numbers(shape) and len(shape) <= _MOST_DIMENSIONS):
        raise ValueError(f"'{name}' has no valid shape")
    if not (_whole_numbers(offsets) and len(offsets) == 2):
        raise ValueError(f"'{name}' has no valid data_offsets")
    start, end = offsets
    if end - start != math.prod(shape) * ITEM_BYTES[dtype]:
        raise ValueError(f"'{name}' is not as long as its shape says")
    return TensorEntry(dtype, tuple(shape), start, end)


def _whole_numbers(value: Any) -> bool:
    return isinstance(value, list) and all(type(n) is int and n >= 0 for n in value)


def _in_order(tensors: dict[str, TensorEntry], data_bytes: int) -> dict[str, TensorEntry]:
    """Sort by position; raise ValueError unless they fill the data without gap, overlap or remainder."""
    ordered = dict(sorted(tensors.items(), key=lambda item: (item[1].start, item[1].end)))
    position = 0
    for name, entry in ordered.items():
        if entry.start != position:
            raise ValueError(f"'{name}' does not begin where the one before it ends")
        position = entry.end
    if position != data_bytes:
        raise ValueError(f"its tensors take {position} bytes, but {data_bytes} follow the header")
    return ordered
