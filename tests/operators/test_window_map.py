"""A in a window: by axes and by convolution it is the same."""

import numpy as np
import pytest
import torch

from mapsr_cli.operators import LevelCube, downsampling, make_kernel, make_psf
from mapsr_cli.operators.convolved import units
from mapsr_cli.operators.window_map import WindowCoordinates, window_map
from tests.evidence import QuantisedBlocks
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


def test_the_preconditioner_majorises_whatever_the_evidence_couples() -> None:
    """The eigenvalues of P⁻¹(L AAᵀ Lᵀ + I/μ) are at most 1 and not far below, also where L is not orthogonal."""
    kernel, size = make_kernel("bicubic", 2), (8, 8)
    evidence = QuantisedBlocks(torch.zeros(1, 3, *size, dtype=torch.float64), 1.0)
    window = WindowCoordinates(window_map(kernel, size, 0.01, *WHERE), evidence)
    every = torch.eye(3 * 64, dtype=torch.float64).view(-1, 3, *size)
    products = window.precondition(window.coordinates(window.adjoint(every)) + window.softness * every)
    largest = torch.linalg.eigvals(products.flatten(1)).real.max()
    assert 0.9 < largest <= 1
    columns = window.adjoint(every).flatten(1).square().sum(0).view(3, 16, 16)
    assert (columns <= 2 * window.step_cost + 1e-12).all()


def test_samples_need_no_coordinates() -> None:
    window = window_map(make_kernel("bicubic", 2), (8, 9), 0.01, *WHERE)
    samples = WindowCoordinates(window, LevelCube(torch.zeros(1, 1, 8, 9, dtype=torch.float64), 255))
    y = torch.randn(2, 1, 16, 18, dtype=torch.float64)
    assert torch.equal(samples.coordinates(y)[:, 0], window.down(y[:, 0]))
    assert samples.damping == 1
