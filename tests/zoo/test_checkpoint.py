import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mapsr_cli.errors import CheckpointError
from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.zoo import Card, load_model, save_model


def header_of(path: Path) -> dict[str, str]:
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        metadata = json.loads(file.read(size))["__metadata__"]
    assert isinstance(metadata, dict)
    return metadata


def test_what_is_saved_is_loaded(tiny_model: Path, tiny_card: Card) -> None:
    model = load_model(tiny_model)
    assert model.card == tiny_card
    assert model.kernel.name == "bicubic"
    assert model.reach == 6
    assert not model.network.training
    for name, tensor in load_file(tiny_model).items():
        assert torch.equal(model.network.state_dict()[name], tensor)


def test_half_precision_loads_as_float32(tmp_path: Path, tiny_card: Card) -> None:
    network = Compact(CompactConfig(**tiny_card.config))
    save_model(tmp_path / "half.safetensors", network, tiny_card, torch.float16)
    loaded = load_model(tmp_path / "half.safetensors").network
    assert all(p.dtype == torch.float32 for p in loaded.parameters())


@pytest.mark.parametrize("damage", ["missing", "extra", "misshapen", "nan", "integer"])
def test_tensors_that_are_not_the_networks_are_refused(tiny_model: Path, tmp_path: Path, damage: str) -> None:
    tensors = load_file(tiny_model)
    if damage == "missing":
        del tensors["head.bias"]
    if damage == "extra":
        tensors["more"] = torch.zeros(1)
    if damage == "misshapen":
        tensors["head.bias"] = torch.zeros(9)
    if damage == "nan":
        tensors["head.bias"][0] = float("nan")
    if damage == "integer":
        tensors["head.bias"] = torch.zeros(8, dtype=torch.int64)
    save_file(tensors, tmp_path / "bad.safetensors", header_of(tiny_model))
    with pytest.raises(CheckpointError):
        load_model(tmp_path / "bad.safetensors")


@pytest.mark.parametrize(
    "change",
    [{"architecture": "other"}, {"config": {"scale": 4, "depth": 3}}, {"kernel": {"name": "bicubic"}},
     {"kernel": {"name": "bicubic", "scale": 2, "sigma": None}}, {"config": {"scale": 4, "channels": -1}}],
)  # fmt: skip
def test_headers_that_describe_no_network_are_refused(
    tiny_card: Card, tmp_path: Path, change: dict[str, object]
) -> None:
    network = Compact(CompactConfig(**tiny_card.config))
    save_model(tmp_path / "bad.safetensors", network, replace(tiny_card, **change))  # type: ignore[arg-type]
    with pytest.raises(CheckpointError):
        load_model(tmp_path / "bad.safetensors")


@pytest.mark.parametrize("header", [{}, {"mapsr": "no json"}, {"mapsr": "[]"}, {"mapsr": '{"format": 99}'},
                                    {"mapsr": '{"format": 1, "surprise": 1}'}])  # fmt: skip
def test_headers_that_are_none_of_ours_are_refused(tiny_model: Path, tmp_path: Path, header: dict[str, str]) -> None:
    save_file(load_file(tiny_model), tmp_path / "bad.safetensors", header)
    with pytest.raises(CheckpointError):
        load_model(tmp_path / "bad.safetensors")


def test_cut_short(tiny_model: Path, tmp_path: Path) -> None:
    data = tiny_model.read_bytes()
    for length in (0, 4, 100, len(data) // 2, len(data) - 1):
        (tmp_path / "cut.safetensors").write_bytes(data[:length])
        with pytest.raises(CheckpointError):
            load_model(tmp_path / "cut.safetensors")
