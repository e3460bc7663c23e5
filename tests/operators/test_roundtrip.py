"""The saved levels give the original back, bit for bit."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from mapsr_cli.errors import UsageError
from mapsr_cli.operators import (
    Kernel,
    LevelCube,
    ResizingKernel,
    RoundTrip,
    consistency,
    downsampling,
    make_kernel,
    make_psf,
    round_trip,
    to_levels,
)
from mapsr_cli.operators.kernels import SCALES
from tests.evidence import quantised
from tests.pictures import lr_of, scene
from tests.psfs import comet_kernel


def go_round(x: Tensor, kernel: Kernel, estimate: Tensor | None = None, peak: int = 255) -> RoundTrip:
    """Π(estimate or 0) and then the round trip."""
    size = (x.shape[-2] * kernel.scale, x.shape[-1] * kernel.scale)
    op = downsampling(kernel, size, x.dtype)
    f = op.project(torch.zeros(x.shape[0], *size, dtype=x.dtype) if estimate is None else estimate, x)
    result = round_trip(f, LevelCube(x, peak), op, peak)
    image = result.image
    assert torch.equal(image, image.round())
    assert image.min() >= 0
    assert image.max() <= peak
    # What is reported is what `verify` would find, in double precision.
    exact = downsampling(kernel, size, torch.float64)
    held = consistency(image.double(), x.double(), exact, peak)
    assert held.holds == (result.remaining == 0)
    assert round((1 - held.bit_exact) * x.numel()) == result.remaining
    return result


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["bicubic", "gaussian9", "lanczos3", "box"])
def test_exact_on_what_was_downscaled(name: str, scale: int) -> None:
    kernel = make_kernel(name, scale)
    hr = scene(24 * scale, 31 * scale, seed=scale)
    assert go_round(lr_of(hr, kernel), kernel).remaining == 0


@pytest.mark.slow
def test_exact_where_much_is_saturated() -> None:
    kernel = make_kernel("bicubic", 4)
    x = lr_of(scene(4 * 40, 4 * 52, seed=5, contrast=3.0), kernel)
    assert ((x == 0) | (x == 255)).float().mean() > 0.2
    result = go_round(x, kernel)
    assert result.remaining == 0
    assert result.windows > 0
    assert result.passes > 0


@pytest.mark.parametrize("seed", [1, 2, 13])
def test_exact_on_black_and_white(seed: int) -> None:
    """Only multipliers far beyond what photographs need push so many pixels to both ends of the range at once."""
    kernel = make_kernel("gaussian9", 4)
    dots = torch.rand(1, 40, 40, generator=torch.Generator().manual_seed(seed)) < 0.3
    hr = 255 * dots.float().repeat_interleave(2, 1).repeat_interleave(2, 2)
    x = lr_of(functional.pad(hr, (40, 40, 40, 40)), kernel)
    assert go_round(x, kernel).remaining == 0


@pytest.mark.slow
def test_exact_for_a_measured_kernel() -> None:
    kernel = comet_kernel(2)
    x = lr_of(scene(2 * 30, 2 * 26, seed=5, contrast=2.0), kernel)
    result = go_round(x, kernel)
    assert result.remaining == 0
    assert result.windows > 0


def test_exact_from_an_estimate_far_outside_the_range() -> None:
    kernel = make_kernel("bicubic", 4)
    x = lr_of(scene(4 * 30, 4 * 30, seed=2), kernel)
    wild = 127.5 + 120 * torch.randn(3, 120, 120, generator=torch.Generator().manual_seed(0))
    assert go_round(x, kernel, wild).remaining == 0


def test_leaves_alone_what_rounding_does_not_break() -> None:
    kernel = make_kernel("bicubic", 4)
    hr = scene(160, 160, seed=1).clamp(60, 200)
    x = lr_of(hr, kernel)
    op = downsampling(kernel, (160, 160))
    f = op.project(hr, x)
    result = round_trip(f, LevelCube(x, 255), op, 255)
    assert (result.windows, result.passes) == (0, 0)
    assert torch.equal(result.image, f.round())


def test_changes_only_what_is_near_trouble() -> None:
    kernel = make_kernel("bicubic", 4)
    hr = scene(4 * 100, 4 * 100, seed=1).clamp(60, 200)
    hr[:, :16, :16] = 255.0
    hr[:, 4:9, 4:9] = 0.0
    x = lr_of(hr, kernel)
    op = downsampling(kernel, (400, 400))
    f = op.pinv(x)
    result = round_trip(f, LevelCube(x, 255), op, 255)
    assert result.remaining == 0
    assert result.windows > 0
    assert torch.equal(result.image[:, 200:], f[:, 200:].round())


def test_sixteen_bits() -> None:
    kernel = make_kernel("bicubic", 4)
    hr = (scene(96, 120, seed=3, contrast=2.0).double() * 257 + torch.arange(120) % 200).clamp(0, 65535)
    x = to_levels(downsampling(kernel, (96, 120), torch.float64).down(hr), 65535)
    assert go_round(x, kernel, peak=65535).remaining == 0


def test_reports_what_cannot_be_had() -> None:
    """A bicubic LR of one white pixel on black would need HR pixels whiter than white."""
    x = torch.zeros(1, 16, 16)
    x[0, 8, 8] = 255.0
    x[0, 8, 7] = x[0, 8, 9] = x[0, 7, 8] = x[0, 9, 8] = 0.0
    result = go_round(x, make_kernel("bicubic", 4))
    assert result.remaining > 0


def test_white_may_overshoot() -> None:
    """Saving clips, so an LR sample of 255 is given back by any A y of 254.5 or more."""
    kernel = make_kernel("bicubic", 4)
    hr = torch.zeros(1, 80, 80)
    hr[:, :, 40:] = 255.0
    assert go_round(lr_of(hr, kernel), kernel).remaining == 0


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(1, 40), width=st.integers(1, 40), scale=st.sampled_from(SCALES),
    name=st.sampled_from(["bicubic", "gaussian9", "box"]), seed=st.integers(0, 9), contrast=st.floats(0.5, 3),
)  # fmt: skip
def test_any_size(height: int, width: int, scale: int, name: str, seed: int, contrast: float) -> None:
    """Check that the report is true at any size (in go_round). Exactness is no theorem: docs/log/operators.md."""
    kernel = make_kernel(name, scale)
    go_round(lr_of(scene(height * scale, width * scale, seed, contrast), kernel), kernel)


def test_same_every_time() -> None:
    kernel = make_kernel("bicubic", 4)
    x = lr_of(scene(120, 120, seed=5, contrast=3.0), kernel)
    assert torch.equal(go_round(x, kernel).image, go_round(x, kernel).image)


def test_sizes_must_agree() -> None:
    op = downsampling(make_kernel("bicubic", 4), (16, 16))
    with pytest.raises(UsageError):
        round_trip(torch.zeros(1, 16, 16), LevelCube(torch.zeros(1, 5, 4), 255), op, 255)


@pytest.mark.parametrize(("height", "width"), [(24, 28), (27, 22)])
def test_evidence_that_couples_channels(height: int, width: int) -> None:
    """Cells of a colour transform and a DCT, as a codec stores them; blocks that the border cuts say nothing."""
    kernel, size = make_kernel("bicubic", 2), (2 * height, 2 * width)
    op = downsampling(kernel, size)
    evidence = quantised(op.down(scene(*size, seed=7, contrast=1.8)), step=8.0)
    f = op.pinv(evidence.x)
    clipped = evidence.holds(op.down(to_levels(f, 255)))
    assert (~clipped).sum() > 5
    result = round_trip(f, evidence, op, 255)
    assert result.remaining == 0
    assert evidence.holds(op.down(result.image)).all()
    assert result.windows > 0


def test_a_coupling_that_mixes_nothing_keeps_every_promise() -> None:
    class Coupled(LevelCube):
        couples_channels = True

    kernel = make_kernel("bicubic", 4)
    x = lr_of(scene(4 * 30, 4 * 34, seed=5, contrast=2.0), kernel)
    op = downsampling(kernel, (120, 136))
    result = round_trip(op.pinv(x), Coupled(x, 255), op, 255)
    assert result.remaining == 0
    assert consistency(result.image, x, op, 255).holds


@pytest.mark.parametrize("size", [(57, 63), (70, 85), (91, 66), (42, 41)])
def test_exact_between_any_two_sizes(size: tuple[int, int]) -> None:
    """Each window has its own A: at ratios of 1.5 … 3.25, other ones along rows and columns."""
    kernel = ResizingKernel("bicubic", (28, 27), size)
    op = downsampling(kernel, size)
    x = to_levels(op.down(scene(*size, seed=3, contrast=2.0)), 255)
    result = round_trip(op.project(torch.zeros(x.shape[0], *size), x), LevelCube(x, 255), op, 255)
    assert result.windows > 0
    assert result.remaining == 0
    assert consistency(result.image.double(), x.double(), downsampling(kernel, size, torch.float64), 255).holds


@pytest.mark.parametrize("seed", [1, 11])
def test_exact_at_small_ratios_where_nearly_all_is_black_or_white(seed: int) -> None:
    """Rounding all pixels of a window at once leaves a sample or two wrong here, however often it is tried."""
    noise = torch.randn(1, 1, 50, 50, generator=torch.Generator().manual_seed(seed))
    y = to_levels(128 + 800 * functional.avg_pool2d(noise, 3, 1, 0)[0], 255)
    op = downsampling(ResizingKernel("bicubic", (32, 32), (48, 48)), (48, 48))
    x = to_levels(op.down(y), 255)
    assert round_trip(op.pinv(x), LevelCube(x, 255), op, 255).remaining == 0


def test_a_measured_kernel_none_of_whose_windows_improve() -> None:
    """No window of one turn improves here; A of a measured kernel takes no empty batch."""
    taps = make_kernel("gaussian9", 4).taps
    kernel = make_psf("file:g9.npy", np.outer(taps, taps), 4)
    result = go_round(scene(20, 20, seed=4, contrast=2.0)[:1], kernel)
    assert 0 < result.remaining < 200
