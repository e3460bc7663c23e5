"""A⁺ on disk."""

from pathlib import Path

import pytest
import torch

from mapsr_cli.errors import CheckpointError, FileError
from mapsr_cli.operators import ConvPinv, Kernel, make_kernel, solve_pinv
from mapsr_cli.zoo import describe_kernel, load_model, load_pinv, save_pinv
from mapsr_cli.zoo.fitted_pinv import PinvCard
from mapsr_cli.zoo.sealed import write_tensors
from tests.psfs import comet_kernel

GAUSSIAN = make_kernel("gaussian9", 4)


@pytest.mark.parametrize("kernel", [GAUSSIAN, make_kernel("bicubic", 2), comet_kernel(3)], ids=lambda k: k.name)
def test_what_is_saved_is_loaded_to_the_last_bit(tmp_path: Path, kernel: Kernel) -> None:
    path, pinv = tmp_path / "pinv.safetensors", solve_pinv(kernel, 3)
    save_pinv(path, pinv, kernel)
    loaded, of = load_pinv(path)
    assert of == kernel
    assert loaded.kernels.dtype == torch.float64
    assert torch.equal(loaded.kernels, pinv.kernels)
    assert [p.name for p in tmp_path.iterdir()] == ["pinv.safetensors"]


def header(**changes: object) -> dict[str, object]:
    return {"kernel": describe_kernel(GAUSSIAN), "taps": 3, "version": "0", **changes}


@pytest.mark.parametrize(
    "changes",
    [{"taps": 5}, {"taps": 0}, {"taps": 3.0}, {"taps": 10**6}, {"kernel": "gaussian9"}, {"kernel": {}},
     {"kernel": {**describe_kernel(GAUSSIAN), "scale": 2}}, {"kernel": {**describe_kernel(GAUSSIAN), "phase": 0.0}},
     {"kernel": {**describe_kernel(GAUSSIAN), "taps": [[1.0]]}}, {"kernel": describe_kernel(make_kernel("box", 2))},
     {"more": 1}],
)  # fmt: skip
def test_headers_that_describe_something_else_are_refused(tmp_path: Path, changes: dict[str, object]) -> None:
    path = tmp_path / "pinv.safetensors"
    write_tensors(path, {"kernels": torch.zeros(16, 3, 3, dtype=torch.float64)}, header(**changes))
    with pytest.raises(CheckpointError) as caught:
        load_pinv(path)
    assert "\n" not in str(caught.value)


def test_the_headers_above_are_wrong_in_one_thing_only(tmp_path: Path) -> None:
    path = tmp_path / "pinv.safetensors"
    assert header().keys() == PinvCard.__dataclass_fields__.keys()
    write_tensors(path, {"kernels": torch.zeros(16, 3, 3, dtype=torch.float64)}, header())
    assert load_pinv(path)[0].taps == 3


@pytest.mark.parametrize("damage", ["missing", "extra", "nan", "cut", "text"])
def test_damaged_files_are_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "pinv.safetensors"
    tensors = {"kernels": torch.ones(16, 3, 3, dtype=torch.float64)}
    if damage == "missing":
        tensors = {"weights": tensors["kernels"]}
    if damage == "extra":
        tensors["more"] = torch.zeros(1)
    if damage == "nan":
        tensors["kernels"][3, 1, 1] = float("nan")
    write_tensors(path, tensors, header())
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-8])
    if damage == "text":
        path.write_text("kernels")
    with pytest.raises(CheckpointError):
        load_pinv(path)


def test_models_and_pseudo_inverses_are_not_mixed_up(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(CheckpointError, match="not of a fitted A⁺"):
        load_pinv(tiny_model)
    save_pinv(tmp_path / "pinv.safetensors", ConvPinv(torch.zeros(16, 3, 3)), GAUSSIAN)
    with pytest.raises(CheckpointError):
        load_model(tmp_path / "pinv.safetensors")


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot write"):
        save_pinv(tmp_path / "none" / "pinv.safetensors", solve_pinv(GAUSSIAN, 1), GAUSSIAN)
