import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mapsr_cli.errors import CheckpointError
from mapsr_cli.networks import (
    PRESETS,
    AnyGeneratorConfig,
    Compact,
    CompactConfig,
    DensityConfig,
    architecture_of,
    build,
)
from mapsr_cli.operators import make_kernel
from mapsr_cli.zoo import Card, load_model, save_model
from mapsr_cli.zoo.checkpoint import describe_kernel
from tests.tiny import tiny


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


@pytest.mark.parametrize("name", ["swissroll", "grass", "compact"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_every_kind_of_generator_comes_back(name: str, dtype: torch.dtype, tmp_path: Path, tiny_card: Card) -> None:
    """Tuples in the config, and batch statistics with their count of batches, survive the file."""
    preset = tiny(PRESETS[name])
    config: AnyGeneratorConfig = replace(preset.generator, noise_dim=2)
    network, size = build(config), (1, 1) if name == "swissroll" else (5, 6)
    x, z = torch.rand(4, preset.colours, *size), torch.randn(4, 2, *size)
    network(x, z)  # moves the batch statistics
    kernel = make_kernel(preset.kernel, preset.scale, preset.sigma)
    card = replace(
        tiny_card, architecture=architecture_of(config), config=asdict(config), kernel=describe_kernel(kernel)
    )
    save_model(tmp_path / "model.safetensors", network, card, dtype)
    loaded = load_model(tmp_path / "model.safetensors").network
    assert loaded.config == config
    for key, tensor in network.state_dict().items():
        stored = tensor.to(dtype).to(tensor.dtype) if tensor.is_floating_point() else tensor
        assert torch.equal(loaded.state_dict()[key], stored)
    if dtype == torch.float32:
        assert torch.equal(loaded(x, z), network.eval()(x, z))


def test_a_checkpoint_from_before_noise_loads(tmp_path: Path, tiny_card: Card) -> None:
    assert "noise_dim" not in tiny_card.config
    config = CompactConfig(**tiny_card.config)
    save_model(tmp_path / "old.safetensors", Compact(config), tiny_card)
    assert load_model(tmp_path / "old.safetensors").network.config == config


def test_what_does_not_upscale_is_refused(tmp_path: Path, tiny_card: Card) -> None:
    config = DensityConfig(kernels=((3, 3),), channels=4, components=2, scales=1, features=2)
    card = replace(tiny_card, architecture="density", config=asdict(config))
    save_model(tmp_path / "density.safetensors", build(config), card)
    with pytest.raises(CheckpointError, match="'density' does not upscale"):
        load_model(tmp_path / "density.safetensors")


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
     {"kernel": {"name": "bicubic", "scale": 2, "sigma": None}}, {"config": {"scale": 4, "channels": -1}},
     {"config": {"scale": [4]}}, {"config": [4]}, {"config": {"scale": "4"}}],
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
