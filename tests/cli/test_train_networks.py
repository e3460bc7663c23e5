"""`--network` as a user meets it: trained, resumed, exported, upscaled, measured, published."""

from pathlib import Path

import pytest

from mapsr_cli.networks import named
from mapsr_cli.zoo.manifest import read_card
from tests.cli.conftest import Mapsr

FILE = Path(__file__).parents[1] / "own_network.py"
FEW = ["--patch", "16", "--batch", "2", "--device", "cpu", "--set", "data.workers=0", "--log", "csv"]


@pytest.fixture
def net(tmp_path: Path) -> Path:
    path = tmp_path / "net.py"
    path.write_bytes(FILE.read_bytes())
    return path


@pytest.fixture
def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if each command were a process of its own."""
    monkeypatch.setattr(named, "_OWN", {})


def test_a_network_of_ones_own(mapsr: Mapsr, net: Path, photos: Path, tmp_path: Path, forget: None) -> None:
    out, code = tmp_path / "run", ["--network", f"{net}:Residual"]
    weights = out / "weights.safetensors"
    begun = mapsr("train", "affmae", "--data", photos, "--out", out, "--steps", 2, *FEW, *code)
    assert begun.code == 0, begun.stderr
    assert f"-m {weights} --network {net}:Residual" in begun.stderr
    card = read_card(weights)
    assert card.architecture == "own:Residual"
    assert card.training["settings"]["network"]["place"] == "net.py:Residual"
    assert str(tmp_path) not in str(card.training)

    named._OWN.clear()
    again = ["train", "affmae", "--out", out, "--resume", "--log", "csv", "--device", "cpu"]
    unnamed = mapsr(*again, "--steps", 3)
    assert unnamed.code == 2
    assert "the run trains net.py:Residual" in unnamed.stderr
    assert "--network PATH/net.py:Residual" in unnamed.stderr
    resumed = mapsr(*again, "--steps", 3, *code)
    assert resumed.code == 0, resumed.stderr
    assert "has changed" not in resumed.stderr
    net.write_text(net.read_text() + "\n# later\n")
    changed = mapsr(*again, "--steps", 4, *code)
    assert "net.py:Residual has changed since the run began" in changed.stderr

    named._OWN.clear()
    photo, big = photos / "0.png", tmp_path / "big.png"
    refused = mapsr("upscale", photo, "-o", big, "-m", weights)
    assert refused.code == 1
    assert "--network FILE.py:Residual gives it" in refused.stderr
    assert mapsr("upscale", photo, "-o", big, "-m", weights, *code).code == 0
    assert mapsr("verify", photo, big).code == 0
    shown = mapsr("models", "push", weights, "me/net", "--license", "apache-2.0", "--dry-run", "--sample", photo, *code)
    assert shown.code == 0, shown.stderr
    assert "own:Residual" in shown.stdout
    exported = mapsr("export", "--onnx", "-m", weights, "-o", tmp_path / "net.onnx", *code)
    assert exported.code == 0, exported.stderr


def test_it_starts_from_weights_of_its_own(mapsr: Mapsr, net: Path, photos: Path, tmp_path: Path, forget: None) -> None:
    code, first = ["--network", f"{net}:Residual"], tmp_path / "first"
    wide = ["--set", "generator.channels=5"]
    mapsr("train", "mae", "--data", photos, "--out", first, "--steps", 1, *FEW, *code, *wide)
    begun = ["train", "affgan", "--data", photos, "--out", tmp_path / "second", "--steps", 1, *FEW]
    done = mapsr(*begun, "--init", first / "weights.safetensors", *code, "--set", "discriminator.widths=[8]",
                 "--set", "discriminator.strides=[2]")  # fmt: skip
    assert done.code == 0, done.stderr
    assert read_card(tmp_path / "second/weights.safetensors").config["channels"] == 5


def test_it_is_measured(mapsr: Mapsr, net: Path, photos: Path, tmp_path: Path, forget: None) -> None:
    out, code = tmp_path / "run", ["--network", f"{net}:Residual"]
    mapsr("train", "affmae", "--data", photos, "--out", out, "--steps", 1, *FEW, *code)
    measured = mapsr("evaluate", "--data", photos, "-m", out / "weights.safetensors", *code, "--json")
    assert measured.code == 0, measured.stderr
    (figures,) = measured.json["models"].values()
    assert figures["bit_exact"] == 1


@pytest.mark.parametrize(
    ("method", "network", "says"),
    [
        ("denoiser", "Residual", "trains a prior, not a generator"),
        ("mae", "Stuck", "makes [1, 3, 64, 64] of [1, 3, 16, 16], not [1, 3, 32, 32]"),
        ("mae", "Absent", "is no class of an nn.Module"),
    ],
)
def test_what_does_not_fit(
    mapsr: Mapsr, net: Path, photos: Path, tmp_path: Path, forget: None, method: str, network: str, says: str
) -> None:
    scale = [] if method == "denoiser" else ["--scale", "2"]
    wish = ["--data", photos, "--out", tmp_path / "run", "--steps", 1, "--network", f"{net}:{network}", *FEW, *scale]
    done = mapsr("train", method, *wish)
    assert done.code == 2
    assert says in done.stderr
    assert not (tmp_path / "run/recipe.json").exists()
