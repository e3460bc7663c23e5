from pathlib import Path

import pytest
import torch

from mapsr_cli.errors import CheckpointError
from mapsr_cli.zoo import DEFAULT_MODEL, bundled_models, find_model, load_model

WEIGHTS = Path(__file__).parents[2] / "weights"


def test_the_default_is_bundled() -> None:
    assert DEFAULT_MODEL in bundled_models()


@pytest.mark.parametrize("name", bundled_models())
def test_every_bundled_model_loads_runs_and_has_a_card(name: str) -> None:
    model = load_model(find_model(name))
    assert model.card.name == name
    assert model.card.training
    assert model.card.metrics
    s = model.kernel.scale
    assert model.network(torch.rand(1, 3, 9, 8)).shape == (1, 3, 9 * s, 8 * s)
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
