"""The shares of improvement, omission and hallucination against opensr-test's on the same arrays."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from mapsr_cli.evaluation.candidates import interpolate
from mapsr_cli.evaluation.hallucination import BORDER, correctness, hallucination, matched
from mapsr_cli.evaluation.protocol import PEAK, Pair
from mapsr_cli.operators import downsampling, make_kernel, to_levels
from tests.pictures import lr_of, scene

KERNELS = {scale: make_kernel("bicubic", scale) for scale in (2, 3, 4)}


def pair_of(scale: int = 4, height: int = 96, width: int = 120) -> Pair:
    hr = to_levels(scene(height, width, contrast=0.8), PEAK)
    return Pair("scene", hr, lr_of(hr, KERNELS[scale]), KERNELS[scale])


def projected(pair: Pair, y: Tensor) -> Tensor:
    op = downsampling(pair.kernel, (pair.hr.shape[-2], pair.hr.shape[-1]), torch.float64)
    return op.project(y.double(), pair.lr.double())


ESTIMATES: dict[str, Callable[[Pair], Tensor]] = {
    "bicubic": lambda pair: interpolate(pair.lr, pair.kernel),
    "near": lambda pair: 0.7 * pair.hr + 0.3 * interpolate(pair.lr, pair.kernel),
    "invented": lambda pair: projected(pair, pair.hr.flip(2)),
    "pale": lambda pair: 60 + 0.5 * pair.hr,
    "blurred": lambda pair: avg_pool2d(pair.hr, 5, 1, 2),
    "equal": lambda pair: pair.hr,
}
"""Estimates in levels, before rounding."""
EXPECTED = {
    ("bicubic", 2): (0.209214, 0.600802, 0.189984),
    ("near", 2): (0.807231, 0.123137, 0.069632),
    ("invented", 2): (0.164485, 0.331844, 0.503671),
    ("pale", 2): (0.849443, 0.099439, 0.051118),
    ("blurred", 2): (0.153686, 0.599038, 0.247276),
    ("equal", 2): (0.964663, 0.017668, 0.017668),
    ("bicubic", 4): (0.452156, 0.306368, 0.241477),
    ("near", 4): (0.875003, 0.062697, 0.062300),
    ("invented", 4): (0.320701, 0.286552, 0.392747),
    ("pale", 4): (0.874112, 0.074329, 0.051559),
    ("blurred", 4): (0.464966, 0.300956, 0.234079),
    ("equal", 4): (0.964663, 0.017668, 0.017668),
}
"""(improvement, omission, hallucination) by opensr-test 1.3.3 (torch 2.13, skimage 0.26) on the same float32 arrays:

    Metrics(harm_apply_spatial=False).compute's `correctness(lr / 255, y / 255, hr / 255, gradient_threshold="auto")`
"""


def estimate(name: str, pair: Pair) -> Tensor:
    return to_levels(ESTIMATES[name](pair), PEAK).float() / PEAK


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("name", ESTIMATES)
def test_the_shares_are_opensr_tests(name: str, scale: int) -> None:
    pair = pair_of(scale)
    found = correctness(estimate(name, pair), pair)
    assert list(found) == ["improvement", "omission", "hallucination"]
    assert list(found.values()) == pytest.approx(EXPECTED[name, scale], abs=1e-5)
    assert sum(found.values()) == pytest.approx(1, abs=1e-5)


def test_borders_that_the_scale_does_not_divide_are_cut_short() -> None:
    pair = pair_of(3)
    assert correctness(estimate("equal", pair), pair)["improvement"] > 0.9


def test_what_cannot_be_judged_has_no_figures() -> None:
    small = pair_of(4, 2 * BORDER, 96)
    assert correctness(small.hr / PEAK, small) == {}
    ratio = Pair("ratio", scene(90, 96), scene(60, 64), KERNELS[2])
    assert correctness(ratio.hr / PEAK, ratio) == {}
    flat = Pair("flat", torch.full((3, 96, 96), 7.0), torch.full((3, 24, 24), 7.0), KERNELS[4])
    assert hallucination(flat.hr / PEAK, flat) == {}


def test_a_histogram_is_that_of_the_truth() -> None:
    y, truth = scene(40, 50, contrast=0.3), scene(50, 40, seed=1, contrast=0.5)
    like = matched(y, truth)
    for mine, theirs, own in zip(like, truth, y, strict=True):
        assert mine.std().item() == pytest.approx(theirs.std().item(), rel=0.05)
        assert (mine.flatten()[own.flatten().argsort()].diff() >= 0).all()
    torch.testing.assert_close(matched(truth, truth), truth)
    assert (matched(y, torch.full_like(truth, 3)) == 3).all()


def test_patches_are_counted_too() -> None:
    pair = pair_of(4, 128, 128)
    found = hallucination(estimate("invented", pair), pair)
    assert found["fake_patches"] > 0.7
    assert hallucination(estimate("equal", pair), pair)["fake_patches"] == 0
