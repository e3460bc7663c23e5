from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mapsr_cli.errors import ConsistencyError, MissingExtraError, UsageError, install_command
from mapsr_cli.inference.onnx_graph import check_onnx, export_onnx
from mapsr_cli.inference.onnx_modules import DenseAxes, dense, solve_gram
from mapsr_cli.networks import Affine, MlpGenerator, MlpGeneratorConfig, PaperGenerator, PaperGeneratorConfig
from mapsr_cli.operators import Point, downsampling, make_kernel, make_psf
from mapsr_cli.operators.axis import dense_a
from mapsr_cli.zoo import Model, load_model


@pytest.mark.parametrize(
    ("name", "scale", "sigma"),
    [("bicubic", 4, None), ("gaussian9", 4, None), ("gaussian9", 2, None), ("lanczos3", 3, None), ("box", 8, None)],
)
@pytest.mark.parametrize("size", [(9, 14), (1, 3), (40, 2)])
def test_the_dense_projection_is_the_projection(
    name: str, scale: int, sigma: float | None, size: tuple[int, int]
) -> None:
    """`gaussian9` at ×2 is the worst conditioned (560 per axis): Newton–Schulz still finds the inverse."""
    kernel = make_kernel(name, scale, sigma)
    axes = DenseAxes(kernel)
    a = axes.axis(size[1])
    assert (a - torch.from_numpy(dense_a(kernel, scale * size[1]))).abs().max() < 1e-15
    assert (a @ solve_gram(a, axes.steps) - torch.eye(size[1])).abs().max() < 1e-10
    op = downsampling(kernel, (scale * size[0], scale * size[1]))
    f, x = torch.rand(1, 2, *op.hr_size), torch.rand(1, 2, *size)
    wanted = op.project(f, x)
    assert (dense(Affine(kernel))(f, Point(x)) - wanted).abs().max() < 1e-4 * max(1.0, wanted.abs().max().item())


def test_networks_of_one_size_are_refused(tiny_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = Model(load_model(tiny_model).card, MlpGenerator(MlpGeneratorConfig()), make_kernel("box", 2))
    with pytest.raises(UsageError, match="one size"):
        export_onnx(model, tmp_path / "m.onnx")


def test_only_separable_kernels_are_projected(tiny_model: Path, tmp_path: Path) -> None:
    model = load_model(tiny_model)
    psf = make_psf("psf", torch.rand(5, 5).numpy(), 4)
    with pytest.raises(UsageError, match="separable"):
        dense(Model(model.card, model.network, psf).constraint)
    free = Model(replace(model.card, constraint="soft"), model.network, psf).constraint
    assert dense(free) is free


def test_without_the_extra(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "onnxruntime", None)
    with pytest.raises(MissingExtraError) as caught:
        export_onnx(load_model(tiny_model), tmp_path / "m.onnx")
    assert caught.value.hint == install_command("export")


@pytest.mark.slow
def test_one_graph_for_every_size(tiny_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    model = load_model(tiny_model)
    checked = export_onnx(model, tmp_path / "m.onnx")
    assert checked.difference < 1e-5
    assert checked.inconsistency is not None
    assert checked.inconsistency < 1e-5
    with torch.no_grad():
        model.network.load_state_dict({name: 2 * value for name, value in model.network.state_dict().items()})
    with pytest.raises(ConsistencyError):
        check_onnx((tmp_path / "m.onnx").read_bytes(), model.estimator())


@pytest.mark.slow
def test_a_learnt_pseudo_inverse_is_part_of_the_graph(tiny_model: Path, tmp_path: Path) -> None:
    """As `load` has it; A ŷ = x is then not promised."""
    pytest.importorskip("onnxruntime")
    model = load_model(tiny_model)
    learnt = Model(model.card, model.network, model.kernel, pinv=torch.randn(16, 5, 5) / 5)
    checked = export_onnx(learnt, tmp_path / "m.onnx")
    assert checked.difference < 1e-5
    assert checked.inconsistency is None


@pytest.mark.slow
def test_a_stochastic_one_takes_its_noise(tiny_model: Path, tmp_path: Path) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    config = PaperGeneratorConfig(widths=(8, 8), noise_dim=2)
    card = replace(load_model(tiny_model).card, constraint="soft")
    network = PaperGenerator(config).eval().requires_grad_(False)
    checked = export_onnx(Model(card, network, make_kernel("bicubic", 4)), tmp_path / "m.onnx")
    assert checked.difference < 1e-5
    assert checked.inconsistency is None
    session = onnxruntime.InferenceSession(tmp_path / "m.onnx", providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_inputs()] == ["x", "z"]


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 2.35])
def test_a_graph_at_another_scale(tiny_model: Path, tmp_path: Path, scale: float) -> None:
    pytest.importorskip("onnxruntime")
    checked = export_onnx(load_model(tiny_model), tmp_path / "m.onnx", scale)
    assert checked.difference < 1e-5
    assert checked.inconsistency is not None
    assert checked.inconsistency < 1e-5


def test_scales_without_a_graph(tiny_model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    for scale in (1.05, 5):
        with pytest.raises(UsageError, match="has no graph"):
            export_onnx(load_model(tiny_model), tmp_path / "m.onnx", scale)
