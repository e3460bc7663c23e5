import math
import sys

import pytest
import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio

from mapsr_cli.errors import ImageError, MissingExtraError, install_command
from mapsr_cli.evaluation.metrics import decibels, luma, psnr, ssim
from mapsr_cli.evaluation.protocol import PROTOCOLS
from tests.pictures import scene


def test_luma_is_bt601() -> None:
    colours = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 0]]).T[:, :, None]
    assert (255 * luma(colours)).flatten().tolist() == pytest.approx([16, 235, 81.481], abs=1e-3)


def test_psnr() -> None:
    assert psnr(torch.zeros(4), torch.full((4,), 0.1)) == pytest.approx(20.0, abs=1e-5)
    assert math.isinf(psnr(torch.ones(2), torch.ones(2)))
    assert decibels(1e-4) == pytest.approx(40)


def test_psnr_is_torchmetrics_psnr() -> None:
    a, b = scene(20, 30, 0) / 255, scene(20, 30, 1) / 255
    assert psnr(a, b) == pytest.approx(peak_signal_noise_ratio(a, b, data_range=1.0).item(), abs=1e-4)


def test_shaved_pixels_do_not_count() -> None:
    a = torch.rand(3, 20, 20)
    b = a.clone()
    b[:, :4] = 0
    b[:, :, -4:] = 1
    assert math.isinf(PROTOCOLS["y"].psnr(a, b, 4))
    assert PROTOCOLS["y"].psnr(a, b, 3) < 40


def ssim_by_definition(a: Tensor, b: Tensor) -> float:
    """Wang et al. (2004), eqn (13), on every 11×11 window of each channel."""
    taps = torch.exp(-0.5 * (torch.arange(-5.0, 6).double() / 1.5) ** 2)
    weights = torch.outer(taps, taps)
    weights /= weights.sum()
    p, q = (image.double().unfold(1, 11, 1).unfold(2, 11, 1) for image in (a, b))

    def mean(values: Tensor) -> Tensor:
        return (weights * values).sum((-2, -1))

    mp, mq = mean(p), mean(q)
    vp, vq = mean((p - mp[..., None, None]) ** 2), mean((q - mq[..., None, None]) ** 2)
    cov = mean((p - mp[..., None, None]) * (q - mq[..., None, None]))
    c1, c2 = 0.01**2, 0.03**2
    return ((2 * mp * mq + c1) * (2 * cov + c2) / ((mp**2 + mq**2 + c1) * (vp + vq + c2))).mean().item()


@pytest.mark.parametrize("size", [(11, 11), (24, 17)])
def test_ssim_is_its_definition(size: tuple[int, int]) -> None:
    a = scene(*size) / 255
    b = (a + 0.1 * torch.randn(a.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    assert ssim(a, b) == pytest.approx(ssim_by_definition(a, b), abs=1e-5)
    assert ssim(a, a) == pytest.approx(1)


def test_ssim_needs_a_window() -> None:
    with pytest.raises(ImageError, match="10×12 pixels remain"):
        ssim(torch.zeros(3, 12, 10), torch.zeros(3, 12, 10))


def test_without_torchmetrics_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    with pytest.raises(MissingExtraError) as caught:
        ssim(torch.zeros(3, 12, 12), torch.zeros(3, 12, 12))
    assert caught.value.hint == install_command("eval")
