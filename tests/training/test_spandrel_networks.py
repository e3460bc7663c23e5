"""spandrel's architectures trained under Π, each from random weights, and what becomes of them. Needs spandrel."""

from pathlib import Path
from typing import Any

import pytest
import torch

from mapsr_cli.errors import UsageError
from mapsr_cli.inference import Upscaler
from mapsr_cli.inference.backbone import load_backbone
from mapsr_cli.inference.onnx_graph import export_onnx
from mapsr_cli.networks import Affine, Estimator, Named, build, name_network, read_config
from mapsr_cli.networks.named import COLOURS, SCALE
from mapsr_cli.operators import make_kernel
from mapsr_cli.zoo import Model, load_model, model_of, save_model
from tests.inference.families import FAMILIES
from tests.pictures import lr_of, scene
from tests.spandrel_here import needs_spandrel

pytestmark = [needs_spandrel, pytest.mark.filterwarnings("ignore")]  # of other people's code
KERNEL = make_kernel("bicubic", 4)
FIXED_SIZE = {"IPT"}


class Recorder:
    """A package whose classes answer with their own name and arguments."""

    def __getattr__(self, name: str) -> Any:
        return lambda **arguments: (name, arguments)


def network(family: str) -> Named:
    called: Any = FAMILIES[family].build(Recorder())
    name, arguments = called
    fields = {key: value for key, value in arguments.items() if key not in SCALE + COLOURS}
    torch.manual_seed(0)
    made = build(read_config(f"spandrel:{name}", fields))
    assert isinstance(made, Named)
    return made


def saved(made: Named, path: Path) -> Model:
    model = model_of(Estimator(made.eval(), Affine(KERNEL)), "theirs", method="affmae")
    save_model(path, model.network, model.card)
    return load_model(path)


@pytest.mark.parametrize("family", sorted(FAMILIES.keys() - FIXED_SIZE))
def test_a_family_learns_and_upscales(family: str, tmp_path: Path) -> None:
    made = network(family)
    made.check()
    estimator = Estimator(made, Affine(KERNEL)).train()
    x = torch.rand(2, 3, 20, 16)
    estimate = estimator(x)
    assert (estimator.constraint.down(estimate) - x).abs().max() < 1e-6 * (1 + estimate.abs().max())
    estimate.square().mean().backward()
    assert any(p.grad is not None and p.grad.abs().max() > 0 for p in made.parameters())
    levels, report = Upscaler(saved(made, tmp_path / "theirs.safetensors")).upscale(lr_of(scene(96, 80), KERNEL).byte())
    assert levels.shape == (3, 96, 80)
    assert report.consistency.holds


@pytest.mark.parametrize("family", FIXED_SIZE)
def test_a_network_of_one_size_is_refused(family: str) -> None:
    with pytest.raises(UsageError, match=f"spandrel:{family} fails at 16×16 pixels"):
        network(family).check()


def test_other_tools_read_the_weights(tmp_path: Path) -> None:
    """The file's tensors are called as spandrel calls them: its own loader finds the network."""
    made = network("SPAN")
    made.check()
    saved(made, tmp_path / "theirs.safetensors")
    x = torch.rand(1, 3, 24, 24)
    theirs = load_backbone(tmp_path / "theirs.safetensors").network
    assert torch.allclose(theirs(x), made.eval()(x).clamp(0, 1), atol=1e-6)


def test_export(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    made = network("SPAN")
    made.check()
    assert export_onnx(saved(made, tmp_path / "x.safetensors"), tmp_path / "x.onnx").difference < 1e-4


def test_an_architecture_that_it_does_not_have() -> None:
    with pytest.raises(UsageError, match="no architecture 'SPAM'") as caught:
        name_network("spandrel:SPAM")
    assert "did you mean 'SPAN'" in caught.value.hint
