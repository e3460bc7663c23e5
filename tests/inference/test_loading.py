import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import mapsr_cli
from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.inference import Upscaler
from mapsr_cli.networks import PaperGenerator, PaperGeneratorConfig
from mapsr_cli.operators import consistency, downsampling, make_kernel
from mapsr_cli.zoo import DEFAULT_MODEL, Model, load_model
from tests.pictures import lr_of, scene

BICUBIC = make_kernel("bicubic", 4)


def test_a_module_from_images_to_images(tiny_model: Path) -> None:
    module = mapsr_cli.load(str(tiny_model))
    assert isinstance(module, torch.nn.Module)
    assert not module.training
    x = torch.rand(2, 3, 9, 7)
    y = module(x)
    assert y.shape == (2, 3, 36, 28)
    assert y.min() >= 0
    assert y.max() <= 1


def test_unclamped_it_is_consistent_and_differentiable(tiny_model: Path) -> None:
    module = mapsr_cli.load(str(tiny_model), clamp=False)
    x = torch.rand(2, 3, 9, 7, requires_grad=True)
    y = module(x)
    assert torch.allclose(downsampling(module.kernel, (36, 28)).down(y), x, atol=1e-6)
    y.square().sum().backward()
    assert x.grad is not None
    assert x.grad.abs().sum() > 0


def test_in_half_precision_the_projection_is_not(tiny_model: Path) -> None:
    module = mapsr_cli.load(str(tiny_model), clamp=False).bfloat16()
    x = torch.rand(1, 3, 9, 7, dtype=torch.bfloat16)
    y = module(x)
    assert y.dtype == torch.float32
    assert torch.allclose(downsampling(module.kernel, (36, 28)).down(y), x.float(), atol=1e-5)


def test_under_autocast_and_in_inference_mode(tiny_model: Path) -> None:
    module, x = mapsr_cli.load(str(tiny_model), clamp=False), torch.rand(1, 3, 9, 7)
    with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16):
        y = module(x)
    assert y.dtype == torch.float32
    assert (y - module(x)).abs().max() < 0.05
    assert torch.allclose(downsampling(module.kernel, (36, 28)).down(y), x, atol=1e-6)


def test_without_the_constraint_it_is_the_network(tiny_model: Path) -> None:
    model = load_model(tiny_model)
    free = Model(replace(model.card, constraint="soft"), model.network, model.kernel)
    x = torch.rand(1, 3, 5, 5)
    assert torch.equal(free.estimator()(x), model.network(x.contiguous(memory_format=torch.channels_last)))


def test_stochastic_models_draw(tiny_model: Path) -> None:
    network = PaperGenerator(PaperGeneratorConfig(widths=(8,), noise_dim=2)).eval()
    module = Model(load_model(tiny_model).card, network, make_kernel("bicubic", 4)).estimator(clamp=True)
    x, z = torch.rand(1, 3, 5, 5), torch.randn(1, 2, 5, 5)
    assert not torch.equal(module(x), module(x))
    assert torch.equal(module(x, z), module(x, z))


@pytest.mark.parametrize("channels", [1, 3])
def test_images_and_arrays_come_back_as_what_they_were(tiny_model: Path, channels: int) -> None:
    upscale = mapsr_cli.Upscaler(str(tiny_model))
    lr = lr_of(scene(64, 48), upscale.kernel)[:channels].byte()
    array = (lr[0] if channels == 1 else lr.permute(1, 2, 0)).numpy()
    made = upscale(array)
    assert isinstance(made, np.ndarray)
    assert made.dtype == np.uint8
    assert made.shape == (64, 48) + (3,) * (channels == 3)
    image = upscale(Image.fromarray(array))
    assert isinstance(image, Image.Image)
    assert image.mode == ("L" if channels == 1 else "RGB")
    assert np.array_equal(np.asarray(image), made)
    hr = torch.from_numpy(made).double()
    hr = hr[None] if channels == 1 else hr.permute(2, 0, 1)
    assert consistency(hr, lr.double(), downsampling(upscale.kernel, (64, 48), torch.float64), 255).holds


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_and_depth_are_kept(tiny_model: Path, mode: str) -> None:
    upscale = mapsr_cli.Upscaler(str(tiny_model))
    image = upscale(Image.new(mode, (5, 4), (200, 100) if mode == "LA" else (10, 20, 30, 100)))
    assert (image.mode, image.size) == (mode, (20, 16))
    array = upscale(np.full((4, 5, len(mode)), 40_000, np.uint16))
    assert array.dtype == np.uint16
    assert array.shape == (16, 20, len(mode))
    assert upscale(np.zeros((4, 5, 1), np.uint8)).shape == (16, 20, 1)


def test_what_is_no_picture(tiny_model: Path) -> None:
    upscale = Upscaler(load_model(tiny_model))
    odd: list[Any] = [
        np.zeros((4, 4, 3)),
        np.zeros((4, 4, 5), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((0, 4), np.uint8),
    ]
    for array in odd:
        with pytest.raises(ImageError, match="no picture"):
            upscale(array)
    with pytest.raises(ImageError, match="CMYK"):
        upscale(Image.new("CMYK", (4, 4)))


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        (torch.rand(3, 8, 8), "mapsr_cli.load"),
        (torch.rand(1, 3, 8, 8, dtype=torch.float64), "whole numbers"),
        (np.zeros((8, 8, 3), np.float32), "mapsr_cli.load"),
        (torch.zeros(3, 8, 8, dtype=torch.int64), "uint8 or uint16"),
        (torch.zeros(8, 8, 3, dtype=torch.uint8), r"permute\(2, 0, 1\)"),
        (torch.zeros(2, 3, 8, 8, dtype=torch.uint8), "one picture at a time"),
        (torch.zeros(3, 0, 8, dtype=torch.uint8), "uint8 or uint16"),
        ("photo.png", "PIL.Image.open"),
        (Path("photo.png"), "PIL.Image.open"),
    ],
)
def test_what_to_do_instead(tiny_model: Path, given: Any, hint: str) -> None:
    with pytest.raises(ImageError) as refused:
        Upscaler(str(tiny_model))(given)
    assert re.search(hint, refused.value.hint)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.uint16])
@pytest.mark.parametrize("shape", [(6, 5), (1, 6, 5), (3, 6, 5), (1, 3, 6, 5), (4, 6, 5)])
def test_tensors_come_back_as_what_they_were(tiny_model: Path, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    lr = torch.randint(100, 120, shape, generator=generator).to(dtype)
    hr, report = Upscaler(str(tiny_model)).upscale(lr)
    assert hr.dtype == dtype
    assert hr.shape == (*shape[:-2], 24, 20)
    assert report.consistency.holds
    planes = hr.reshape(-1, 24, 20).double()
    peak = 255 if dtype == torch.uint8 else 65535
    assert consistency(
        planes, lr.reshape(-1, 6, 5).double(), downsampling(BICUBIC, (24, 20), torch.float64), peak
    ).holds


def test_device_and_precision_are_arguments(monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> None:
    levels = Upscaler(str(tiny_model), device="cpu", precision="bf16").levels
    assert (levels.device, levels.dtype) == ("cpu", torch.bfloat16)
    for device, precision in (("cuda:99", "auto"), ("tpu", "auto"), ("cpu", "int8")):
        with pytest.raises(UsageError):
            Upscaler(str(tiny_model), device=device, precision=precision)
    monkeypatch.setattr("mapsr_cli.inference.devices.cpu_features", lambda: {"avx512_bf16"})
    assert Upscaler(str(tiny_model), device="cpu").levels.dtype == torch.bfloat16


def test_the_default_model() -> None:
    assert Upscaler().model.card.name == DEFAULT_MODEL


def test_the_package_shows_what_it_has() -> None:
    assert set(mapsr_cli.__all__) == {"MapsrError", "Settings", "SizeRequest", "Upscaler", "__version__", "load"}
    assert [name for name in dir(mapsr_cli) if not name.startswith("_")] == [
        "MapsrError",
        "Settings",
        "SizeRequest",
        "Upscaler",
        "load",
    ]
    for name in mapsr_cli.__all__:
        assert getattr(mapsr_cli, name)


def test_the_package_names_what_it_has() -> None:
    with pytest.raises(AttributeError, match="nothing"):
        _ = mapsr_cli.nothing
