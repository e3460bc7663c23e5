import math

import pytest
import torch

from mapsr_cli.evaluation.metrics import luma, psnr, psnr_y


def test_luma_is_bt601() -> None:
    colours = torch.tensor([[0.0, 0, 0], [1, 1, 1], [1, 0, 0]]).T[:, :, None]
    assert (255 * luma(colours)).flatten().tolist() == pytest.approx([16, 235, 81.481], abs=1e-3)


def test_psnr() -> None:
    assert psnr(torch.zeros(4), torch.full((4,), 0.1)) == pytest.approx(20.0, abs=1e-5)
    assert math.isinf(psnr(torch.ones(2), torch.ones(2)))


def test_shaved_pixels_do_not_count() -> None:
    a = torch.rand(3, 20, 20)
    b = a.clone()
    b[:, :4] = 0
    b[:, :, -4:] = 1
    assert math.isinf(psnr_y(a, b, 4))
    assert psnr_y(a, b, 3) < 40
