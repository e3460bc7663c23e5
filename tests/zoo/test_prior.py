from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from mapsr_cli.errors import CheckpointError
from mapsr_cli.networks import Denoiser, DenoiserConfig, Density, DensityConfig
from mapsr_cli.zoo import PriorCard, load_model, load_prior, load_snapshots, save_prior
from tests.zoo.forging import put_together, take_apart

DENOISER = DenoiserConfig(widths=(4, 4))
DENSITY = DensityConfig(kernels=((3, 3),), channels=4, components=2, scales=2, features=2)
CARD = PriorCard("denoiser", asdict(DENOISER), 0.25, {"steps": 10})


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    torch.manual_seed(0)
    path = tmp_path / "000.safetensors"
    network = Denoiser(DENOISER)
    network(torch.rand(2, 3, 8, 8))  # so that there are batch statistics to keep
    save_prior(path, network, CARD)
    return path


def test_what_is_saved_is_loaded(saved: Path) -> None:
    prior = load_prior(saved)
    assert (prior.kind, prior.card.level, prior.card.training) == ("denoiser", 0.25, {"steps": 10})
    assert prior.network.config == DENOISER
    assert not prior.network.training
    assert not any(p.requires_grad for p in prior.network.parameters())
    state = prior.network.state_dict()
    assert all(torch.equal(state[name], tensor) for name, tensor in load_file(saved).items())
    assert int(state["body.0.1.num_batches_tracked"]) == 1
    assert [p.name for p in saved.parent.iterdir()] == [saved.name]


def test_a_density_model(tmp_path: Path) -> None:
    network = Density(DENSITY)
    save_prior(tmp_path / "d.safetensors", network, PriorCard("density", asdict(DENSITY), 0.0))
    prior = load_prior(tmp_path / "d.safetensors")
    y = torch.rand(2, 3, 6, 6)
    assert prior.kind == "density"
    assert isinstance(prior.network, Density)
    assert torch.equal(prior.network.log_prob(y), network.log_prob(y))


CHANGES: list[dict[str, Any]] = [
    {"architecture": "compact", "config": {}},
    {"architecture": "unknown"},
    {"architecture": ["denoiser"]},
    {"config": {"widths": [4, 4], "depth": 2}},
    {"config": {"widths": [8, 4]}},
    {"config": [4, 4]},
    {"level": float("nan")},
    {"level": "high"},
]


@pytest.mark.parametrize("change", CHANGES)
def test_headers_that_describe_no_prior_are_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    def there_and_back() -> None:  # a level that is not a number is not even written
        save_prior(tmp_path / "bad.safetensors", Denoiser(DENOISER), replace(CARD, **change))
        load_prior(tmp_path / "bad.safetensors")

    with pytest.raises(CheckpointError):
        there_and_back()


@pytest.mark.parametrize("damage", ["missing", "nan", "cut"])
def test_damaged_files_are_refused(saved: Path, damage: str) -> None:
    tensors, header, data = take_apart(saved)
    if damage == "missing":
        del tensors["tail.bias"]
    if damage == "nan":
        start = tensors["tail.bias"]["data_offsets"][0]
        data = data[:start] + torch.tensor(torch.nan).numpy().tobytes() + data[start + 4 :]
    put_together(saved, tensors, header, data)
    if damage == "cut":
        saved.write_bytes(saved.read_bytes()[:-4])
    with pytest.raises(CheckpointError):
        load_prior(saved)


def test_a_prior_is_no_model_and_a_model_no_prior(saved: Path, tiny_model: Path) -> None:
    with pytest.raises(CheckpointError, match="header"):
        load_prior(tiny_model)
    with pytest.raises(CheckpointError, match="header"):
        load_model(saved)


def test_snapshots_in_order(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        save_prior(tmp_path / f"{number:03}.safetensors", Denoiser(DENOISER), replace(CARD, level=1 - number / 4))
    assert [prior.card.level for prior in load_snapshots(tmp_path)] == [1.0, 0.75, 0.5]
    save_prior(tmp_path / "003.safetensors", Density(DENSITY), PriorCard("density", asdict(DENSITY), 0.0))
    with pytest.raises(CheckpointError, match="among snapshots"):
        load_snapshots(tmp_path)


def test_no_snapshots(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError) as caught:
        load_snapshots(tmp_path)
    assert "train denoiser" in caught.value.hint


def test_a_header_cannot_ask_for_a_large_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its ones are no parameter, so they must not be written before anybody counts: a file may ask for gigabytes."""
    path = tmp_path / "d.safetensors"
    save_prior(path, Density(DENSITY), PriorCard("density", asdict(DENSITY) | {"kernels": [[9_999, 9_999]]}, 0.0))
    monkeypatch.setattr(torch, "ones", lambda *size: pytest.fail(f"wrote {size}"))
    with pytest.raises(CheckpointError, match="larger than the file"):
        load_prior(path)
