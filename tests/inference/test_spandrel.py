"""The architectures that spandrel builds, each with random weights. Needs spandrel, and so a torchvision that loads."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from mapsr_cli.errors import CheckpointError
from mapsr_cli.inference import Settings, Upscaler
from mapsr_cli.inference.backbone import load_backbone
from mapsr_cli.inference.level_upscaler import LevelUpscaler
from mapsr_cli.operators import make_kernel, to_levels
from tests.inference.families import FAMILIES, NO_UPSCALING, random_weights
from tests.pictures import lr_of, scene

try:
    import spandrel
except (ImportError, RuntimeError) as error:
    pytest.skip(f"spandrel cannot be imported: {error}", allow_module_level=True)

pytestmark = pytest.mark.filterwarnings("ignore")  # of other people's code


def save(name: str, folder: Path) -> Path:
    path = folder / f"{name}.safetensors"
    save_file(random_weights(name), path)
    return path


def test_every_family_that_upscales_is_tried() -> None:
    """A family that a new spandrel brings has to be added, or counted among those that do not upscale."""
    same_size = {
        "DRUNet", "DnCNN", "FBCNN", "FFTformer", "GFPGAN", "HVICIDNet", "KBNet", "LaMa", "MixDehazeNet", "NAFNet",
        "RestoreFormer", "RetinexFormer", "SAFMNBCIE", "SCUNet", "Uformer",
    }  # fmt: skip
    known = {str(support.architecture.id) for support in spandrel.MAIN_REGISTRY}
    assert known == (FAMILIES.keys() - {"RealPLKSR"}) | same_size


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family(name: str, tmp_path: Path) -> None:
    backbone = load_backbone(save(name, tmp_path))
    assert backbone.card.architecture == f"spandrel:{FAMILIES[name].package or name}"
    assert backbone.kernel == make_kernel("bicubic", 4)
    x = lr_of(scene(96, 80), backbone.kernel).byte()
    levels, report = Upscaler(backbone).upscale(x)
    assert levels.shape == (3, 96, 80)
    assert report.consistency.holds
    assert report.mse_float < 1e-12
    torch.manual_seed(0)  # AuraSR draws noise
    raw = Upscaler(backbone, Settings("none", tile=0))(x)
    torch.manual_seed(0)
    image = (x / 255)[None].contiguous(memory_format=backbone.memory_format)
    assert torch.equal(raw, to_levels(255 * backbone.network(image)[0], 255).byte())


SEAMLESS = ("Compact", "DITN", "ESRGAN", "MoSR", "PLKSR", "SAFMN", "SPAN", "SwiftSRGAN")


@pytest.mark.parametrize("name", SEAMLESS)
def test_convolutions_are_the_same_in_tiles(name: str, tmp_path: Path) -> None:
    backbone = load_backbone(save(name, tmp_path))
    assert backbone.seamless
    x = lr_of(scene(100, 332), backbone.kernel) / 255
    whole, tiled = (LevelUpscaler(backbone, Settings(tile=tile)).estimate(x) for tile in (0, 21))
    assert (whole - tiled).abs().max() <= 1e-5


@pytest.mark.parametrize("name", ["ATD", "HAT", "RealCUGAN", "RCAN", "SwinIR", "Swin2SR"])
def test_attention_and_means_over_the_image_are_found_out(name: str, tmp_path: Path) -> None:
    assert not load_backbone(save(name, tmp_path)).seamless


@pytest.mark.parametrize("name", NO_UPSCALING)
def test_families_that_do_not_upscale(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=name):
        load_backbone(save(name, tmp_path))


@pytest.mark.parametrize("scale", [2, 3, 8])
def test_other_scales(scale: int, tmp_path: Path) -> None:
    from spandrel.architectures.Compact import Compact

    save_file(Compact(num_feat=8, num_conv=2, upscale=scale).state_dict(), tmp_path / "x.safetensors")
    backbone = load_backbone(tmp_path / "x.safetensors")
    x = lr_of(scene(24 * scale, 20 * scale), backbone.kernel).byte()
    levels, report = Upscaler(backbone).upscale(x)
    assert levels.shape == (3, 24 * scale, 20 * scale)
    assert report.consistency.holds


def test_a_training_checkpoint_in_a_pickle(tmp_path: Path) -> None:
    torch.save({"params_ema": random_weights("ESRGAN"), "iter": 5}, tmp_path / "net_g.pth")
    assert load_backbone(tmp_path / "net_g.pth").card.architecture == "spandrel:ESRGAN"
