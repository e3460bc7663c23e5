"""sFRC: correlation by ring, where it falls, and which patches are counted."""

import numpy as np
import pytest
import torch

from mapsr_cli.evaluation.ring_correlation import PATCH, count_fake, crossing, ring_correlation
from mapsr_cli.operators import downsampling, make_kernel
from tests.pictures import lr_of, scene

KERNEL = make_kernel("bicubic", 4)


def slowly(a: np.ndarray, b: np.ndarray) -> list[float]:
    """Correlate two patches ring by ring in loops; each frequency goes to the rings on either side of its radius."""
    n = len(a)
    window = np.outer(np.hanning(n), np.hanning(n))
    f, g = (np.fft.fftshift(np.fft.fft2(window * (p - p.min()) / (p.max() - p.min()))) for p in (a, b))
    sums = np.zeros((3, n // 2 + n))
    for row in range(n):
        for column in range(n):
            radius = np.hypot(row - n // 2, column - n // 2)
            values = (
                (f[row, column] * g[row, column].conjugate()).real,
                abs(f[row, column]) ** 2,
                abs(g[row, column]) ** 2,
            )
            for ring in (int(np.floor(radius)), int(np.ceil(radius))):
                sums[:, ring] += values
    cross, power, other = sums[:, : n // 2]
    return list(abs(cross) / np.sqrt(power * other))


def test_it_is_the_correlation_of_each_ring() -> None:
    a, b = (scene(16, 16, seed)[0].double() for seed in (0, 1))
    assert ring_correlation(a[None], b[None])[0].tolist() == pytest.approx(slowly(a.numpy(), b.numpy()), abs=1e-10)


def test_contrast_and_brightness_do_not_matter() -> None:
    a, b = (scene(PATCH, PATCH, seed)[0].double() for seed in (0, 1))
    torch.testing.assert_close(ring_correlation(0.3 * a[None] + 20, b[None]), ring_correlation(a[None], b[None]))


def test_a_crossing_lies_between_two_rings() -> None:
    curves = torch.tensor([[1, 0.9, 0.6, 0.4], [1, 0.9, 0.8, 0.7], [1, 0.2, 0.9, 0.1]]).double()
    at = crossing(curves)
    assert at[0] == pytest.approx(2.5 / 8)
    assert at[1] == torch.inf
    assert at[2] == pytest.approx(0.625 / 8)


def test_detail_of_another_picture_is_fake_though_it_gives_the_original_back() -> None:
    truth, other = (scene(4 * PATCH, 4 * PATCH, seed, contrast=0.6)[:1] for seed in (0, 1))
    lr, op = lr_of(truth, KERNEL), downsampling(KERNEL, (4 * PATCH, 4 * PATCH))
    swapped = op.project(other, lr)
    torch.testing.assert_close(op.down(swapped), lr, atol=1e-2, rtol=0)
    fake, judged = count_fake(swapped[0], truth[0], 4)
    assert judged == 16
    assert fake >= 12
    assert count_fake(truth[0], truth[0], 4) == (0, 16)


def test_flat_patches_and_small_pictures_are_not_judged() -> None:
    flat = 120 + torch.randn(PATCH, PATCH, generator=torch.Generator().manual_seed(0))
    assert count_fake(flat + 1, flat, 4) == (0, 0)
    assert count_fake(flat[:-1], flat[:-1], 4) == (0, 0)
