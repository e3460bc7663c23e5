"""A picture of a point as a kernel."""

import math

import numpy as np
import pytest
import torch

from mapsr_cli.errors import KernelError, UsageError
from mapsr_cli.operators import downsampling, make_kernel, make_psf, psf_of_taps
from mapsr_cli.operators.kernels import SCALES
from tests.psfs import comet, streak


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("shape", [(5, 5), (6, 5), (4, 8), (1, 3)])
def test_what_a_makes_of_a_point_is_the_picture_at_every_scaleth_pixel(scale: int, shape: tuple[int, int]) -> None:
    picture = comet(*shape)
    kernel = make_psf("file:psf.npy", picture, scale)
    size, (down, right) = (12 * scale, 14 * scale), kernel.phase
    at = 6 * scale + 1, 5 * scale  # the point
    point = torch.zeros(size, dtype=torch.float64)
    point[at] = 1.0
    seen = downsampling(kernel, size, torch.float64).down(point)
    expected = torch.zeros_like(seen)
    for i in range(12):
        for j in range(14):
            row = scale * i + down - at[0] + (shape[0] - 1) / 2
            col = scale * j + right - at[1] + (shape[1] - 1) / 2
            if 0 <= row < shape[0] and 0 <= col < shape[1]:
                expected[i, j] = picture[round(row), round(col)] / picture.sum()
    assert torch.allclose(seen, expected, atol=1e-15)


def test_the_middle_lies_where_a_separable_kernels_does() -> None:
    for scale in SCALES:
        for size in (1, 4, 9):
            ours = make_psf("file:psf.npy", np.ones((size, size)), scale)
            theirs = make_kernel(f"gaussian{size}", scale)
            assert ours.phase == (theirs.phase, theirs.phase)
            assert ours.border_width == theirs.border_width


def test_taps_sum_to_one_and_come_back_with_the_same_bits() -> None:
    kernel = make_psf("file:psf.npy", 1000 * comet(), 4)
    assert math.fsum(np.ravel(kernel.taps)) == pytest.approx(1.0, abs=1e-15)
    assert psf_of_taps(kernel.name, kernel.taps, 4) == kernel
    assert hash(psf_of_taps(kernel.name, kernel.taps, 4)) == hash(kernel)


def test_empty_margins_are_cut_evenly() -> None:
    picture = np.pad(comet(5, 5), ((4, 4), (7, 2)))
    kernel = make_psf("file:psf.npy", picture, 2)
    assert kernel.size == (5, 10)
    assert make_psf("file:psf.npy", np.pad(streak(5, 5), 40), 2).taps == make_psf("file:psf.npy", streak(5, 5), 2).taps


def test_it_describes_itself() -> None:
    assert make_psf("file:psf.npy", streak(9, 6), 4).describe() == "file:psf.npy (×4, 9×6 taps, phase 1, 1.5)"


@pytest.mark.parametrize(
    ("picture", "says"),
    [
        (np.ones(5), "two dimensions"),
        (np.ones((2, 2, 3)), "two dimensions"),
        (np.ones((0, 3)), "two dimensions"),
        (np.full((3, 3), np.nan), "finite"),
        (np.full((3, 3), np.inf), "finite"),
        (np.zeros((3, 3)), "zero"),
        (np.ones((3, 3), dtype=complex), "real"),
        (np.full((3, 3), "a"), "real"),
        (np.ones((102, 3)), "too many"),
        (-np.ones((3, 3)), "sum to -9"),
        (np.array([[1.0, -1.0]]), "sum to 0"),
    ],
)
def test_what_is_no_point_spread_function_is_refused(picture: np.ndarray, says: str) -> None:
    with pytest.raises(KernelError, match=says) as caught:
        make_psf("file:psf.npy", picture, 4)
    assert "\n" not in str(caught.value)


def test_unknown_scales_are_refused() -> None:
    with pytest.raises(UsageError):
        make_psf("file:psf.npy", streak(), 5)
