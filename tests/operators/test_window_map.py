"""A in a window: by axes and by convolution it is the same."""

import numpy as np
import pytest
import torch

from mapsr_cli.operators import downsampling, make_kernel, make_psf
from mapsr_cli.operators.convolved import units
from mapsr_cli.operators.window_map import window_map
from tests.psfs import comet_kernel

WHERE = torch.float64, torch.device("cpu")


@pytest.mark.parametrize(("name", "scale"), [("bicubic", 4), ("gaussian9", 3), ("box", 2)])
def test_a_separable_psf_has_the_separable_window(name: str, scale: int) -> None:
    kernel = make_kernel(name, scale)
    psf = make_psf("file:psf.npy", np.outer(kernel.taps, kernel.taps), scale)
    ours, theirs = (window_map(k, (9, 11), 0.01, *WHERE) for k in (psf, kernel))
    torch.manual_seed(0)
    y, r = torch.randn(2, 9 * scale, 11 * scale, dtype=torch.float64), torch.randn(2, 9, 11, dtype=torch.float64)
    assert ours.softness == pytest.approx(theirs.softness, rel=0.05)
    assert torch.allclose(ours.step_cost, theirs.step_cost, atol=1e-12)
    assert torch.allclose(ours.down(y), theirs.down(y), atol=1e-12)
    assert torch.allclose(ours.adjoint(r), theirs.adjoint(r), atol=1e-12)


def test_the_preconditioner_is_the_inverse() -> None:
    kernel = comet_kernel(2)
    window = window_map(kernel, (7, 6), 0.01, *WHERE)
    r = torch.cat(list(units((7, 6))))
    damped = window.down(window.adjoint(r)) + window.softness * r
    assert torch.allclose(window.precondition(damped), r, atol=1e-12)


def test_windows_reflect_as_images_do() -> None:
    kernel = comet_kernel(4)
    y = torch.randn(3, 24, 28, dtype=torch.float64)
    expected = downsampling(kernel, (24, 28), torch.float64).down(y)
    assert torch.equal(window_map(kernel, (6, 7), 0.01, *WHERE).down(y), expected)
