from pathlib import Path

import pytest
import torch

from mapsr_cli.errors import CheckpointError
from mapsr_cli.networks import noise_dim_of
from mapsr_cli.zoo import DEFAULT_MODEL, bundled_models, find_here, find_model, load_model
from tests.hub_server import Hub

WEIGHTS = Path(__file__).parents[2] / "weights"


def test_what_is_bundled() -> None:
    faces = ["faces-x4-affgan", "faces-x4-affmse", "faces-x4-mse", "faces-x4-softgan"]
    grass = ["grass-x4-affdg", "grass-x4-affgan", "grass-x4-affll", "grass-x4-affmse"]
    photographs = ["natural-x4-affgan", "natural-x4-affgan-gaussian9", "natural-x4-affgan-z", "natural-x4-affmse"]
    assert bundled_models() == [*faces, *grass, *photographs]


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


@pytest.mark.parametrize("name", ["nothing", "/nowhere/x.safetensors", "../natural-x4-affmse", ""])
def test_unknown_model(name: str) -> None:
    with pytest.raises(CheckpointError, match="no model"):
        find_model(name)


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
