"""The estimate of σ on pictures with known noise."""

import pytest
import torch
from torch import Tensor

from mapsr_cli.operators import noise_level, to_levels


def noisy(sigma: float, peak: int = 255, size: tuple[int, int] = (160, 200)) -> Tensor:
    """Waves, a corner, and a texture in a part of the image."""
    v, u = torch.meshgrid(*(torch.arange(float(n)) for n in size), indexing="ij")
    image = 128 + 50 * torch.sin(u / 17) * torch.cos(v / 23) + 20 * (u > v)
    image += 15 * torch.sin(u * v) * (u > 140)
    image = torch.stack([image, 0.8 * image, 255 - image]) * peak / 255
    noise = torch.randn(image.shape, generator=torch.Generator().manual_seed(5))
    return to_levels(image + sigma * peak / 255 * noise, peak)


@pytest.mark.parametrize("sigma", [2.0, 5.0, 10.0, 25.0])
@pytest.mark.parametrize("peak", [255, 65535])
def test_finds_sigma(sigma: float, peak: int) -> None:
    assert noise_level(noisy(sigma, peak), peak) == pytest.approx(sigma, rel=0.2)


def test_finds_little_where_there_is_none() -> None:
    assert noise_level(noisy(0.0), 255) < 1.0
    assert noise_level(torch.full((3, 40, 40), 77), 255) == 0


def test_edges_are_no_noise() -> None:
    image = torch.zeros(1, 64, 64)
    image[:, :, 20:] = 200.0
    image[:, 31:] += 50.0
    assert noise_level(image, 255) == 0


def test_white_and_black_areas_hide_noise() -> None:
    """What is clipped there does not count."""
    image = noisy(8.0)
    image[:, :, :120] = 255
    assert noise_level(image, 255) == pytest.approx(8.0, rel=0.25)


@pytest.mark.parametrize("size", [(5, 5), (7, 40)])
def test_small_images(size: tuple[int, int]) -> None:
    assert noise_level(noisy(5.0, size=size), 255) > 0


def test_images_without_a_finest_band_have_none() -> None:
    assert noise_level(noisy(5.0, size=(2, 40)), 255) == 0
