"""A run's state comes back as it was, and nothing else is taken for one."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from mapsr_cli.errors import CheckpointError
from mapsr_cli.training.checkpoint import load_state, save_state


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def test_everything_comes_back(tmp_path: Path) -> None:
    network = torch.nn.BatchNorm2d(3)
    optimiser = torch.optim.Adam(network.parameters(), betas=(0.5, 0.9))
    network(torch.rand(2, 3, 4, 4)).sum().backward()
    optimiser.step()
    state = {
        "network": network.state_dict(),
        "optimiser": optimiser.state_dict(),
        "numbers": [1, 2.5, None, True, "text", (1, "a")],
        "empty": {},
        "bytes": torch.arange(5, dtype=torch.uint8),
        "shared": [network.weight, network.weight],
    }
    save_state(tmp_path / "state.safetensors", state)
    assert same({**state, "network": dict(network.state_dict())}, load_state(tmp_path / "state.safetensors"))
    assert list(tmp_path.iterdir()) == [tmp_path / "state.safetensors"]


@pytest.mark.parametrize("place", [0.02, 0.3, 0.5, 0.7, 0.999])
def test_a_flipped_bit_is_noticed_wherever_it_is(tmp_path: Path, place: float) -> None:
    path = tmp_path / "state.safetensors"
    save_state(
        path, {"step": 3, "weights": torch.rand(40), "flags": torch.tensor([True, False]), "one": torch.tensor(2)}
    )
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError) as refused:
        load_state(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("length", [0, 1, 8, 200, -1])
def test_a_torn_file_is_refused(tmp_path: Path, length: int) -> None:
    path = tmp_path / "state.safetensors"
    save_state(path, {"weights": torch.rand(40)})
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(CheckpointError):
        load_state(path)


def test_objects_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="cannot hold a PosixPath"):
        save_state(tmp_path / "state.safetensors", {"path": tmp_path})


@pytest.mark.parametrize(
    "header", [None, {"mapsr-run": "[]"}, {"mapsr-run": '{"$tensor": "none"}'}, {"mapsr-run": "{"}]
)
def test_other_files_are_refused(tmp_path: Path, header: dict[str, str] | None) -> None:
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, path, header)
    with pytest.raises(CheckpointError, match="not the checkpoint of a run"):
        load_state(path)
