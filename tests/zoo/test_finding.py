from pathlib import Path

import pytest
import torch

from mapsr_cli.errors import CheckpointError, UsageError
from mapsr_cli.inference.backbone import load_backbone
from mapsr_cli.networks import noise_dim_of
from mapsr_cli.training.recipe import make_recipe
from mapsr_cli.zoo import DEFAULT_MODEL, bundled_models, find_here, find_model, load_model
from mapsr_cli.zoo.manifest import read_card
from tests.hub_server import Hub

WEIGHTS = Path(__file__).parents[2] / "weights"


def test_what_is_bundled() -> None:
    faces = ["faces-x4-affgan", "faces-x4-affmse", "faces-x4-mse", "faces-x4-softgan"]
    grass = ["grass-x4-affdg", "grass-x4-affgan", "grass-x4-affll", "grass-x4-affmse"]
    invented = ["natural-x4-affgan", "natural-x4-affgan-gaussian9", "natural-x4-affgan-z"]
    assert bundled_models() == [*faces, *grass, *invented, "natural-x4-affmse", "natural-x4-affmse-jpeg"]


def test_the_default_is_bundled() -> None:
    assert DEFAULT_MODEL in bundled_models()


@pytest.mark.parametrize("name", bundled_models())
def test_every_bundled_model_loads_runs_and_has_a_card(name: str) -> None:
    model = load_model(find_model(name))
    assert model.card.name == name
    assert model.card.training
    assert model.card.metrics
    s = model.kernel.scale
    maps = noise_dim_of(model.network)
    noise = (torch.randn(1, maps, 9, 8),) if maps else ()
    assert model.network(torch.rand(1, 3, 9, 8), *noise).shape == (1, 3, 9 * s, 8 * s)
    assert (WEIGHTS / f"{name}.md").is_file()


def test_pickle_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "model.pth").write_bytes(b"\x80\x04.")
    with pytest.raises(CheckpointError, match="pickled") as caught:
        find_model(str(tmp_path / "model.pth"))
    assert "safetensors" in caught.value.hint


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
@pytest.mark.parametrize(
    ("data", "says"),
    [(POINTER, "Git-LFS pointer"), (b"\n<!DOCTYPE html>\n<title>", "web page"), (b"<HTML><head>", "web page")],
)
def test_what_is_found_in_place_of_weights_is_named(tmp_path: Path, suffix: str, data: bytes, says: str) -> None:
    path = tmp_path / f"m{suffix}"
    path.write_bytes(data)
    for load in (lambda: load_model(find_model(str(path))), lambda: load_backbone(path), lambda: read_card(path)):
        with pytest.raises(CheckpointError, match=says) as caught:
            load()
        assert caught.value.hint


def test_a_misspelt_name_gets_a_suggestion() -> None:
    with pytest.raises(CheckpointError, match="no model 'natural-x4-afmse'") as caught:
        find_model("natural-x4-afmse")
    assert caught.value.hint.startswith("did you mean 'natural-x4-affmse'? bundled: faces-x4-affgan, ")
    with pytest.raises(UsageError) as unknown:
        make_recipe("afmse", "compact", {}, "photos")
    assert unknown.value.hint.startswith("did you mean 'affmse'?")


@pytest.mark.parametrize("name", ["nothing", "/nowhere/x.safetensors", "../natural-x4-affmse", ""])
def test_unknown_model(name: str) -> None:
    with pytest.raises(CheckpointError, match="no model"):
        find_model(name)


def test_a_missing_file_in_a_folder_that_exists_is_no_repository(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`runs/none` is a repository's name by its form, and a path by what is there."""
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CheckpointError, match="no file or folder runs/none") as refused:
        find_model("runs/none")
    assert "runs/none@main" in str(refused.value.hint)


def test_a_folder_holds_one_model(tiny_model: Path, tmp_path: Path) -> None:
    """A run's, beside its training state; or, as on the Hub, `model.safetensors` whatever else is there."""
    data = tiny_model.read_bytes()
    (tmp_path / "checkpoint.safetensors").write_bytes(data.replace(b'"mapsr"', b'"other"'))
    (tmp_path / "weights.safetensors").write_bytes(data)
    assert find_model(str(tmp_path)) == tmp_path / "weights.safetensors"
    (tmp_path / "more.safetensors").write_bytes(data)
    with pytest.raises(CheckpointError, match=r"more\.safetensors, weights\.safetensors"):
        find_model(str(tmp_path))
    (tmp_path / "model.safetensors").write_bytes(data)
    assert find_model(str(tmp_path)) == tmp_path / "model.safetensors"


def test_what_is_not_here_is_not_asked_for(hub: Hub) -> None:
    with pytest.raises(CheckpointError, match="not on this machine") as caught:
        find_here("org/repo@v1")
    assert caught.value.hint == "mapsr models pull org/repo@v1"
    assert hub.requests == []
