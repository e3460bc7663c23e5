"""Colour, alpha, inks and depth, each kept sample by sample."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from mapsr_cli.imaging import Picture, read_picture
from mapsr_cli.inference import Settings, Upscaler
from mapsr_cli.inference.comparison import compare, downscale_picture
from mapsr_cli.operators import Consistency, downsampling, make_kernel, to_levels
from mapsr_cli.zoo import DEFAULT_MODEL, find_model, load_model
from tests.pictures import EXAMPLES, lr_of, scene

BICUBIC = make_kernel("bicubic", 4)


@pytest.fixture
def upscaler(tiny_model: Path) -> Upscaler:
    return Upscaler(load_model(tiny_model))


def disc(side: int) -> Tensor:
    """[1, side, side] alpha 0 … 1 of a disc with a soft edge."""
    at = torch.arange(side).double() - (side - 1) / 2
    radius = (at[:, None] ** 2 + at[None, :] ** 2).sqrt()
    return ((side * 0.35 - radius) / 3 + 0.5).clamp(0, 1)[None]


def cut_out(hidden: int, side: int = 32) -> Picture:
    """A textured disc; its transparent pixels hold a colour of their own."""
    alpha_hr = disc(4 * side)
    op = downsampling(BICUBIC, (4 * side, 4 * side), torch.float64)
    colours = to_levels(op.down(scene(4 * side, 4 * side, contrast=0.5).double()), 255)
    alpha = to_levels(255 * op.down(alpha_hr), 255)
    colours = torch.where(alpha > 0, colours, float(hidden))
    return Picture(colours.byte(), alpha=alpha.byte())


def over(picture: Picture, background: float) -> Tensor:
    assert picture.alpha is not None
    alpha = picture.alpha.double() / 255
    return alpha * picture.levels.double() + (1 - alpha) * background


@pytest.mark.parametrize("hidden", [0, 255])
def test_each_alpha_sample_and_each_visible_colour_sample_is_given_back(upscaler: Upscaler, hidden: int) -> None:
    lr = cut_out(hidden)
    up, report = upscaler.upscale(lr)
    assert up.alpha is not None
    assert lr.alpha is not None
    assert report.consistency.holds
    assert isinstance(report.consistency, Consistency)
    assert report.consistency.samples == 3 * int((lr.alpha > 0).sum()) + lr.alpha.numel()
    op = downsampling(BICUBIC, (128, 128), torch.float64)
    assert torch.equal(to_levels(op.down(up.alpha.double()), 255).byte(), lr.alpha)
    off = to_levels(op.down(up.levels.double()), 255).byte() != lr.levels
    assert not (off & (lr.alpha > 0)).any()


@pytest.mark.parametrize("background", [0.0, 128.0, 255.0])
def test_no_halo(background: float) -> None:
    """Upscaled and laid over a background, a cut-out is what the composite is, upscaled, whatever was hidden."""
    upscaler = Upscaler(load_model(find_model(DEFAULT_MODEL)), Settings(consistency="float"))
    photo = lr_of(read_picture(EXAMPLES / "chelsea.png").levels[:, 40:168, 80:208].float(), BICUBIC)
    alpha = to_levels(255 * downsampling(BICUBIC, (128, 128), torch.float64).down(disc(128)), 255)

    def cut(hidden: int) -> Picture:
        return Picture(torch.where(alpha > 0, photo, float(hidden)).byte(), alpha=alpha.byte())

    def error(up: Picture) -> float:
        return (over(up, background) - target).square().mean().sqrt().item()

    target = upscaler(to_levels(over(cut(0), background), 255).byte()).double()
    without_care = Picture(upscaler(cut(0).levels), alpha=upscaler(alpha.byte()))
    for hidden in (0, 255):
        found = error(upscaler(cut(hidden)))
        assert found < 3.0
        assert found < error(without_care) / 2.5


def test_grey_with_alpha(upscaler: Upscaler) -> None:
    lr = cut_out(0)
    up, report = upscaler.upscale(Picture(lr.levels[:1], alpha=lr.alpha))
    assert len(up.levels) == 1
    assert report.consistency.holds


def test_inks(upscaler: Upscaler) -> None:
    lr = lr_of(torch.cat([scene(64, 64, 1), scene(64, 64, 2)[:1]]), BICUBIC).byte()
    up, report = upscaler.upscale(Picture(lr))
    assert len(up.levels) == 4
    assert report.consistency.holds


@pytest.mark.parametrize("channels", [1, 3])
def test_sixteen_bits(upscaler: Upscaler, channels: int) -> None:
    hr = scene(96, 80, contrast=1.5).double() * 257 + torch.arange(80) % 200
    op = downsampling(BICUBIC, (96, 80), torch.float64)
    lr = to_levels(op.down(hr.clamp(0, 65535)), 65535)[:channels].to(torch.uint16)
    up, report = upscaler.upscale(Picture(lr, 65535))
    assert up.levels.dtype == torch.uint16
    assert report.consistency.holds
    assert torch.equal(to_levels(op.down(up.levels.double()), 65535).int(), lr.int())
    assert report.mse_float < 1e-20


def test_downscaled_is_what_compare_compares_with() -> None:
    hr = Picture(scene(40, 48).byte(), alpha=scene(40, 48, 3)[:1].byte())
    lr = downscale_picture(hr, BICUBIC)
    consistency, off = compare(hr, lr, BICUBIC)
    assert consistency.holds
    assert off.shape == (4, 10, 12)
    assert lr.alpha is not None
    lr.alpha[0, 3, 4] = lr.alpha[0, 3, 4] ^ 2
    consistency, off = compare(hr, lr, BICUBIC)
    assert isinstance(consistency, Consistency)
    assert (consistency.worst_levels, consistency.exact) == (2, consistency.samples - 1)
    assert off.nonzero().tolist() == [[3, 3, 4]]
