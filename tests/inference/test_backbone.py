"""Somebody else's network in the place of a checkpoint. spandrel itself: see test_spandrel.py."""

import pickle
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

from mapsr_cli.errors import CheckpointError, MapsrError, MissingExtraError, UsageError, install_command
from mapsr_cli.inference import Settings, Upscaler
from mapsr_cli.inference.backbone import load_backbone
from mapsr_cli.operators import make_kernel, to_levels
from tests.inference import strangers
from tests.pictures import lr_of, scene

LR = lr_of(scene(96, 80), make_kernel("bicubic", 4)).byte()


@pytest.fixture
def trunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    strangers.install(monkeypatch)
    return strangers.save_weights(tmp_path / "4x_nearest.safetensors")


def test_it_is_projected_and_gives_its_original_back(trunk: Path) -> None:
    backbone = load_backbone(trunk)
    levels, report = Upscaler(backbone).upscale(LR)
    assert levels.shape == (3, 96, 80)
    assert report.consistency.holds
    assert report.mse_float < 1e-13
    assert backbone.kernel == make_kernel("bicubic", 4)
    assert (backbone.receptive_field, backbone.period, backbone.seamless) == (2, 1, True)
    assert backbone.identity == f"4x_nearest.safetensors sha256:{strangers.sha256(trunk)}"


def test_without_a_projection_it_is_left_as_it_is(trunk: Path) -> None:
    backbone = load_backbone(trunk)
    raw, report = Upscaler(backbone, Settings("none")).upscale(LR)
    assert torch.equal(raw, to_levels(255 * backbone.network((LR / 255)[None])[0], 255).byte())
    assert not report.consistency.holds


@pytest.mark.parametrize("levels", [LR[:1], (LR.int() * 257).to(torch.uint16)])
def test_grey_and_16_bits(trunk: Path, levels: Tensor) -> None:
    upscaled, report = Upscaler(load_backbone(trunk)).upscale(levels)
    assert len(upscaled) == len(levels)
    assert report.consistency.holds


@pytest.mark.parametrize("name", ["4x.pth", "4x.PT"])
def test_pickles_of_tensors_alone(trunk: Path, tmp_path: Path, name: str) -> None:
    def unwrapped(found: dict[str, Any]) -> strangers.Descriptor:
        return strangers.descriptor_of(found["params"])

    with pytest.MonkeyPatch.context() as patch:
        strangers.install(patch, unwrapped)
        pickled = load_backbone(strangers.save_weights(tmp_path / name))
    kept, wanted = pickled.network.state_dict(), load_backbone(trunk).network.state_dict()
    assert all(torch.equal(kept[key], value) for key, value in wanted.items())


class Bomb:
    """What unpickles by running something."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("plain", [True, False])
def test_code_in_a_pickle_is_never_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, plain: bool, trunk: Path
) -> None:
    path, mark = tmp_path / "evil.pth", tmp_path / "ran"
    content = {**strangers.weights(), "more": Bomb(mark)}
    if plain:
        path.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, path)
    with pytest.raises(CheckpointError, match="holds more than weights") as caught:
        load_backbone(path)
    assert "safetensors" in caught.value.hint
    assert not mark.exists()


def masked(found: dict[str, Any]) -> Any:
    return SimpleNamespace(architecture=SimpleNamespace(id="LaMa"), scale=1)


def broken(found: dict[str, Any]) -> Any:
    raise KeyError("conv_first.weight")


Said = dict[str, Any]
REFUSED: dict[str, tuple[strangers.Load | Said, str]] = {
    "inpainting": (masked, "LaMa is an inpainting network"),
    "restoration": ({"scale": 1}, "does not upscale"),
    "no kernel for its scale": ({"scale": 16}, "Nearest ×16"),
    "grey": ({"input_channels": 1, "output_channels": 1}, "takes 1 and gives 1 channels"),
    "with alpha": ({"input_channels": 4, "output_channels": 4}, "takes 4 and gives 4 channels"),
    "other weights than it seemed": (broken, "cannot build its network ('conv_first.weight')"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_networks_of_another_purpose(trunk: Path, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    load, says = REFUSED[what]
    strangers.install(monkeypatch, load if callable(load) else lambda w: strangers.descriptor_of(w, **load))
    with pytest.raises(CheckpointError) as caught:
        load_backbone(trunk)
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.pth", None, "No such file"),
        ("zip.zip", b"", "a backbone is a file of weights"),
        ("damaged.safetensors", b"\x08" + bytes(7) + b"nothing!", "not a readable file of weights"),
        ("empty.pth", b"", "not a readable file of weights"),
    ],
)
def test_files_that_hold_none(trunk: Path, tmp_path: Path, name: str, content: bytes | None, says: str) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CheckpointError, match=says):
        load_backbone(path)


def test_a_checkpoint_of_our_own(tiny_model: Path, trunk: Path) -> None:
    with pytest.raises(CheckpointError, match="knows no network with these weights") as caught:
        load_backbone(tiny_model)
    assert "--model" in caught.value.hint


def test_without_spandrel_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(MissingExtraError) as caught:
        load_backbone(strangers.save_weights(tmp_path / "4x.safetensors"))
    assert caught.value.hint == install_command("spandrel")


def test_a_torchvision_for_another_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "spandrel.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.delitem(sys.modules, "spandrel", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MapsrError, match="nms does not exist") as caught:
        load_backbone(strangers.save_weights(tmp_path / "4x.safetensors"))
    assert "torchvision==" in caught.value.hint


def failing(x: Tensor) -> Tensor:
    raise RuntimeError("mat1 and mat2 must have the same dtype")


def exhausted(x: Tensor) -> Tensor:
    raise RuntimeError("DefaultCPUAllocator: can't allocate memory")


BEHAVIOURS: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "it fails": (failing, "4x_nearest.safetensors fails at 20×24 pixels"),
    "it overflows": (lambda x: x.repeat_interleave(4, -1).repeat_interleave(4, -2) / 0 - 1 / x.sum(), "finite"),
    "too little memory": (exhausted, "out of memory even in tiles of"),
}


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
def test_networks_that_misbehave(trunk: Path, behaviour: str) -> None:
    backbone = load_backbone(trunk)
    run, says = BEHAVIOURS[behaviour]
    vars(backbone.network)["descriptor"] = run
    with pytest.raises(MapsrError, match=says):
        Upscaler(backbone, Settings(tile=0))(LR)


def everywhere(found: dict[str, Any]) -> strangers.Descriptor:
    descriptor = strangers.descriptor_of(found)
    descriptor.model.register_forward_hook(lambda module, inputs, y: y + inputs[0].mean() / 10)
    return descriptor


def test_tiles_of_a_network_that_sees_everything_are_told_of(trunk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wide = lr_of(scene(32, 400), make_kernel("bicubic", 4)).byte()
    for load, seams in ((strangers.descriptor_of, False), (everywhere, True)):
        strangers.install(monkeypatch, load)
        backbone = load_backbone(trunk)
        upscalers = (Upscaler(backbone, Settings(tile=tile)) for tile in (0, 30))
        (whole, one), (tiled, many) = (upscaler.upscale(wide) for upscaler in upscalers)
        assert backbone.seamless == torch.equal(whole, tiled) == (not seams)
        assert one.notes == ()
        assert any("may differ" in note for note in many.notes) == seams
        assert many.consistency.holds


def coarse(found: dict[str, Any]) -> strangers.Descriptor:
    """A network that sees windows of 6, and takes multiples of it alone."""
    descriptor = strangers.descriptor_of(found, size_requirements=SimpleNamespace(minimum=0, multiple_of=6))

    def pooled(x: Tensor) -> Tensor:
        height, width = x.shape[-2:]
        padded = torch.nn.functional.pad(x, (0, -width % 6, 0, -height % 6), "reflect")
        means = torch.nn.functional.avg_pool2d(padded, 6)
        return torch.nn.functional.interpolate(means, scale_factor=24)[..., : 4 * height, : 4 * width]

    vars(descriptor)["model"].forward = pooled
    return descriptor


def test_tiles_start_where_the_network_would_count_from(trunk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strangers.install(monkeypatch, coarse)
    backbone = load_backbone(trunk)
    assert (backbone.receptive_field, backbone.period) == (5, 6)
    whole, tiled = (Upscaler(backbone, Settings("none", tile=tile))(LR) for tile in (0, 7))
    assert torch.equal(whole, tiled)


def test_half_precision_only_where_it_is_supported(trunk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = load_backbone(trunk)
    monkeypatch.setattr("mapsr_cli.inference.devices.cpu_features", lambda: {"avx512_bf16"})
    types = {"bf16": torch.bfloat16, "auto": torch.float32, "fp32": torch.float32}
    assert {name: Upscaler(backbone, device="cpu", precision=name).levels.dtype for name in types} == types
    with pytest.raises(UsageError, match="does not compute in fp16"):
        Upscaler(backbone, device="cpu", precision="fp16")
