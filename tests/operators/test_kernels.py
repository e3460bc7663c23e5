import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mapsr_cli.errors import UsageError
from mapsr_cli.operators import downsampling, make_kernel
from mapsr_cli.operators.kernels import SCALES, cubic

NAMES = ("bicubic", "gaussian9", "gaussian8", "gaussian1", "lanczos3", "box")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", SCALES)
def test_taps_sum_to_one_and_are_symmetric(name: str, scale: int) -> None:
    taps = make_kernel(name, scale).taps
    assert math.isclose(math.fsum(taps), 1.0, abs_tol=1e-15)
    assert all(math.isclose(a, b, abs_tol=1e-15) for a, b in zip(taps, reversed(taps), strict=True))


@pytest.mark.parametrize("scale", SCALES)
def test_continuous_kernels_are_centre_aligned(scale: int) -> None:
    for name in ("bicubic", "lanczos3", "box"):
        assert make_kernel(name, scale).phase == (scale - 1) / 2


def test_phase_of_an_odd_kernel_at_an_even_stride_is_half_a_pixel_before_the_centre() -> None:
    assert make_kernel("gaussian9", 4).phase == 1.0
    assert make_kernel("gaussian9", 3).phase == 1.0
    assert make_kernel("gaussian8", 4).phase == 1.5


def test_bicubic_is_matlabs() -> None:
    # imresize(…, 0.5)'s weights, as MATLAB's `contributions` computes them.
    expected = [-3, -9, 29, 111, 111, 29, -9, -3]
    assert make_kernel("bicubic", 2).taps == pytest.approx([w / 256 for w in expected], abs=1e-15)
    assert len(make_kernel("bicubic", 4).taps) == 16
    assert len(make_kernel("bicubic", 3).taps) == 11


def test_cubic_interpolates() -> None:
    assert [cubic(x) for x in (-2.0, -1.0, 0.0, 1.0, 2.0)] == [0, 0, 1, 0, 0]
    assert cubic(0.5) == 0.5625


def test_gaussian_has_the_sigma_asked_for() -> None:
    taps = make_kernel("gaussian9", 4, 2.0).taps
    assert taps[3] / taps[4] == pytest.approx(math.exp(-1 / 8))


@pytest.mark.parametrize(
    ("name", "scale", "sigma"),
    [("cubic", 4, None), ("gaussian0", 4, None), ("gaussian9", 5, None), ("box", 4, 1.0), ("gaussian9", 4, -1.0),
     ("gaussian9", 4, math.nan), ("gaussian9x", 4, None)],
)  # fmt: skip
def test_nonsense_is_refused(name: str, scale: int, sigma: float | None) -> None:
    with pytest.raises(UsageError):
        make_kernel(name, scale, sigma)


@pytest.mark.parametrize("scale", SCALES)
@given(height=st.integers(1, 90), width=st.integers(1, 90))
def test_sizes_there_and_back(scale: int, height: int, width: int) -> None:
    """An HR size gives its LR size back; A of any image has the LR size that is said."""
    kernel = make_kernel("bicubic", scale)
    hr_size = kernel.hr_size((height, width))
    assert kernel.lr_size(hr_size) == (height, width)
    assert kernel.whole_size(hr_size) == hr_size
    assert kernel.hr_pixels(height * width) == hr_size[0] * hr_size[1]
    assert downsampling(kernel, (height, width)).lr_size == kernel.lr_size((height, width))
    whole = kernel.whole_size((height, width))
    assert 0 <= height - whole[0] < scale
    assert 0 <= width - whole[1] < scale


def test_ranges_of_rows_tile_the_image() -> None:
    kernel = make_kernel("bicubic", 3)
    assert kernel.hr_range(slice(2, 5)) == slice(6, 15)
    assert downsampling(kernel, (14, 14)).hr(slice(2, 5)) == slice(6, 14)
