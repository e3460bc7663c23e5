"""Checkpoints that no honest writer makes: taken apart, changed, put together again, sealed anew if asked."""

import json
from pathlib import Path
from typing import Any

from mapsr_cli.zoo.card import HEADER, seal
from mapsr_cli.zoo.container import opened

Header = dict[str, Any]


def take_apart(path: Path) -> tuple[Header, Header, bytes]:
    """(the container's tensors, the mapsr header with `format` and `sha256`, the tensors' bytes)."""
    with opened(path) as file:
        size = int.from_bytes(file.read(8), "little")
        content = json.loads(file.read(size))
        data = file.read()
    return content, json.loads(content.pop("__metadata__")[HEADER]), data


def put_together(
    path: Path, tensors: Header, header: Header, data: bytes, *, reseal: bool = True, extra: Header | None = None
) -> Path:
    """Write them; by default with the right seal, so that only other checks can find what is wrong."""
    if reseal:
        unsealed = {key: value for key, value in header.items() if key not in ("format", "sha256")}
        table = {name: _row(entry) for name, entry in tensors.items()}
        sealed = seal(unsealed, table)
        sealed.update(data)
        header = {**header, "sha256": sealed.hexdigest()}
    metadata = {HEADER: json.dumps(header), **(extra or {})}
    text = json.dumps({"__metadata__": metadata, **tensors}).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(len(text).to_bytes(8, "little") + text + data)
    return path


def _row(entry: Any) -> list[Any]:
    """As `Container.table` has it, as far as an entry is one."""
    if not isinstance(entry, dict):
        return []
    offsets = entry.get("data_offsets")
    return [entry.get("dtype"), entry.get("shape"), *(offsets if isinstance(offsets, list) else [])]
