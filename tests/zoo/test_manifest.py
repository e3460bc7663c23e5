import json
from pathlib import Path
from typing import Any

import pytest

from mapsr_cli.errors import CheckpointError
from mapsr_cli.zoo.manifest import read_card, read_manifest
from tools.manifest import write_manifest


@pytest.mark.parametrize(
    "change",
    [{"file": "../tiny.safetensors"}, {"file": "/tiny.safetensors"}, {"file": "C:tiny.safetensors"}, {"file": 3},
     {"file": "a\0.safetensors"}, {"file": "tiny.pth"}, {"sha256": "0"}, {"repo": "../x", "revision": "c" * 40},
     {"repo": "org/x", "revision": "main"}, {"surprise": 1}],
)  # fmt: skip
def test_damaged_or_forged(weights: Path, change: dict[str, Any]) -> None:
    write_manifest(weights, {})
    content = json.loads((weights / "manifest.json").read_text())
    content["models"]["tiny"] |= change
    (weights / "manifest.json").write_text(json.dumps(content))
    with pytest.raises(CheckpointError, match="valid manifest"):
        read_manifest(weights)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2, "models": {}}', '{"format": 1, "models": []}'])
def test_no_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError, match="valid manifest"):
        read_manifest(tmp_path)


def test_a_card_without_its_tensors(tiny_model: Path, tmp_path: Path) -> None:
    """The header is enough: not one tensor is read."""
    data = tiny_model.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    (tmp_path / "m.safetensors").write_bytes(data[:end] + bytes(len(data) - end))
    assert read_card(tmp_path / "m.safetensors") == read_card(tiny_model)
