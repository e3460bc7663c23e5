"""Every stop between two models gives the original back, and has more texture than the one before."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from mapsr_cli import Settings, Upscaler
from mapsr_cli.errors import UsageError
from mapsr_cli.evaluation.protocol import PROTOCOLS
from mapsr_cli.evaluation.texture import relative_energy
from mapsr_cli.operators import make_kernel
from mapsr_cli.zoo import Textured
from tests.pictures import EXAMPLES, lr_of

STOPS = (0.0, 0.25, 0.5, 0.75, 1.0)


@pytest.fixture(scope="module")
def hr() -> Tensor:
    """The middle of a photograph, [3, 160, 192], in whole levels."""
    with Image.open(EXAMPLES / "chelsea.png") as picture:
        levels = torch.from_numpy(np.array(picture.convert("RGB"))).permute(2, 0, 1)
    return levels[:, 60:220, 120:312].float()


@pytest.fixture(scope="module")
def lr(hr: Tensor) -> Tensor:
    return lr_of(hr, make_kernel("bicubic", 4)).byte()


@pytest.fixture(scope="module")
def pictures(lr: Tensor) -> dict[float, Tensor]:
    """The bundled default at every stop."""
    dial, made = Upscaler(texture=0.0, precision="fp32"), {}
    for stop in STOPS:
        picture, report = dial.at_texture(stop).upscale(lr)
        assert report.consistency.share == 1.0
        assert isinstance(picture, Tensor)
        made[stop] = picture
    return made


def test_texture_grows_from_stop_to_stop_and_the_error_does_not_fall(hr: Tensor, pictures: dict[float, Tensor]) -> None:
    energies = [relative_energy(pictures[stop].float() / 255, hr / 255) or 0.0 for stop in STOPS]
    assert all(high > low for low, high in pairwise(energies)), energies
    errors = [PROTOCOLS["y"].psnr(pictures[stop].float() / 255, hr / 255, 4) for stop in STOPS]
    assert all(after <= before + 0.02 for before, after in pairwise(errors)), errors


def test_the_ends_are_the_two_models_alone(lr: Tensor, pictures: dict[float, Tensor]) -> None:
    for stop, name in ((0.0, "natural-x4-affmse"), (1.0, "natural-x4-affgan")):
        assert torch.equal(torch.as_tensor(Upscaler(name, precision="fp32")(lr)), pictures[stop])


def test_settings_and_argument_are_one(lr: Tensor, pictures: dict[float, Tensor]) -> None:
    by_settings = Upscaler(settings=Settings(texture=0.5), precision="fp32")
    assert isinstance(by_settings.model, Textured)
    assert torch.equal(torch.as_tensor(by_settings(lr)), pictures[0.5])
    assert Upscaler("natural-x4-affgan", texture=0.5).model.identity == "natural-x4-affmse + natural-x4-affgan"


def test_tiles_change_nothing(lr: Tensor, pictures: dict[float, Tensor]) -> None:
    tiled = Upscaler(settings=Settings(texture=0.5, tile=20), precision="fp32")
    difference = (torch.as_tensor(tiled(lr)).int() - pictures[0.5].int()).abs()
    assert difference.max() <= 1


def test_a_model_that_was_not_asked_for_texture_has_no_stops() -> None:
    with pytest.raises(UsageError, match="was not asked for texture"):
        Upscaler().at_texture(0.5)
    with pytest.raises(UsageError, match="a texture of 2"):
        Upscaler(texture=2)
