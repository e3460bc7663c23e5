import json
import sys
from pathlib import Path
from typing import Any

import pytest

from mapsr_cli.errors import CheckpointError
from mapsr_cli.experiments import manifest as script
from mapsr_cli.zoo.manifest import build_manifest, read_card, read_manifest, weights_folder, write_manifest
from mapsr_cli.zoo.names import RepoName

PIN = RepoName("org/tiny", "c" * 40)


@pytest.fixture
def weights(tmp_path: Path, tiny_model: Path) -> Path:
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "tiny.safetensors").write_bytes(tiny_model.read_bytes())
    return folder


def test_ours_says_what_the_files_say() -> None:
    """`python -m mapsr_cli.experiments.manifest` mends it."""
    folder = weights_folder()
    assert read_manifest(folder) == build_manifest(folder, {})
    assert {path.name for path in folder.glob("*.safetensors")} == {
        listed.file for listed in read_manifest(folder).values() if listed.file
    }


def test_built_from_the_files(weights: Path, tiny_model: Path) -> None:
    write_manifest(weights, {})
    listed = read_manifest(weights)["tiny"]
    assert (listed.file, listed.size) == ("tiny.safetensors", tiny_model.stat().st_size)
    assert (listed.scale, listed.kernel, listed.method) == (4, "bicubic", "affmse")
    assert listed.pin is None
    assert [path.name for path in weights.iterdir() if path.suffix == ".partial"] == []


def test_a_pin_stays_as_long_as_the_file(weights: Path) -> None:
    write_manifest(weights, {"tiny": PIN})
    assert read_manifest(weights)["tiny"].pin == PIN
    write_manifest(weights, {})
    assert read_manifest(weights)["tiny"].pin == PIN
    data = bytearray((weights / "tiny.safetensors").read_bytes())
    data[-1] ^= 1
    (weights / "tiny.safetensors").write_bytes(data)
    write_manifest(weights, {})
    assert read_manifest(weights)["tiny"].pin is None


def test_what_is_only_published_stays_listed(weights: Path) -> None:
    write_manifest(weights, {"tiny": PIN})
    text = (weights / "manifest.json").read_text().replace('"tiny.safetensors"', "null")
    (weights / "manifest.json").write_text(text)
    (weights / "tiny.safetensors").unlink()
    write_manifest(weights, {})
    assert read_manifest(weights)["tiny"].pin == PIN


def test_files_are_named_after_their_models(weights: Path) -> None:
    (weights / "tiny.safetensors").rename(weights / "other.safetensors")
    with pytest.raises(CheckpointError, match="calls itself tiny"):
        build_manifest(weights, {})


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
    with pytest.raises(CheckpointError, match="sound manifest"):
        read_manifest(weights)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format": 2, "models": {}}', '{"format": 1, "models": []}'])
def test_no_manifest(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(CheckpointError, match="sound manifest"):
        read_manifest(tmp_path)


def test_the_script(weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    place = f"tiny={PIN}"
    monkeypatch.setattr(sys, "argv", ["manifest", "--weights", str(weights), "--published", place])
    script.main()
    assert capsys.readouterr().out.strip() == str(weights / "manifest.json")
    assert read_manifest(weights)["tiny"].pin == PIN
    monkeypatch.setattr(sys, "argv", ["manifest", "--published", "tiny=org/tiny@main"])
    with pytest.raises(SystemExit):
        script.main()


def test_a_card_without_its_tensors(tiny_model: Path, tmp_path: Path) -> None:
    """The header is enough: not one tensor is read."""
    data = tiny_model.read_bytes()
    end = 8 + int.from_bytes(data[:8], "little")
    (tmp_path / "m.safetensors").write_bytes(data[:end] + bytes(len(data) - end))
    assert read_card(tmp_path / "m.safetensors") == read_card(tiny_model)
