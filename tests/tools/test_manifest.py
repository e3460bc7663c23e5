import sys
from pathlib import Path

import pytest

from mapsr_cli.errors import CheckpointError
from mapsr_cli.zoo.manifest import read_manifest, weights_folder
from mapsr_cli.zoo.names import RepoName
from tools import manifest as script
from tools.manifest import build_manifest, write_manifest

PIN = RepoName("org/tiny", "c" * 40)


def test_ours_says_what_the_files_say() -> None:
    """`python -m tools.manifest` mends it."""
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


def test_the_script(weights: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    place = f"tiny={PIN}"
    monkeypatch.setattr(sys, "argv", ["manifest", "--weights", str(weights), "--published", place])
    script.main()
    assert capsys.readouterr().out.strip() == str(weights / "manifest.json")
    assert read_manifest(weights)["tiny"].pin == PIN
    monkeypatch.setattr(sys, "argv", ["manifest", "--published", "tiny=org/tiny@main"])
    with pytest.raises(SystemExit):
        script.main()
