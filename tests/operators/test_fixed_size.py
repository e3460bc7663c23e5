"""A for many images of one size: another operator's A, with its (AAᵀ)⁻¹ as a matrix."""

import pytest
import torch

from mapsr_cli.errors import KernelError
from mapsr_cli.networks import Affine
from mapsr_cli.operators import Point, downsampling, fixed_downsampling, fixed_size, make_psf
from mapsr_cli.operators.convolved import ConvolvedDownsampling, build_convolved, units
from mapsr_cli.operators.fixed_size import FixedDownsampling, gram
from tests.psfs import comet_kernel, streak

CPU = torch.device("cpu")
SIZES = [(4, (40, 28)), (4, (4, 4)), (2, (30, 17)), (3, (20, 31)), (8, (64, 40))]


@pytest.mark.parametrize(("scale", "size"), SIZES)
def test_the_gram_matrix_is_aat(scale: int, size: tuple[int, int]) -> None:
    op = build_convolved(comet_kernel(scale), size, torch.float64, CPU)
    expected = torch.cat([op.down(op.adjoint(part)).flatten(1) for part in units(op.lr_size)])
    assert torch.allclose(gram(op), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("scale", "size"), SIZES)
def test_it_computes_what_conjugate_gradients_do(scale: int, size: tuple[int, int]) -> None:
    kernel = comet_kernel(scale)
    fixed = fixed_downsampling(kernel, size, torch.float64, CPU)
    assert isinstance(fixed, FixedDownsampling)
    solved = downsampling(kernel, size, torch.float64)
    torch.manual_seed(0)
    f, x = torch.rand(2, 3, *size, dtype=torch.float64), torch.rand(2, 3, *fixed.lr_size, dtype=torch.float64)
    assert (fixed.hr_size, fixed.lr_size, fixed.condition) == (size, solved.lr_size, solved.condition)
    assert torch.allclose(fixed.project(f, x), solved.project(f, x), rtol=0, atol=1e-10)
    assert torch.allclose(fixed.down(fixed.project(f, x)), x, rtol=0, atol=1e-10)


def test_its_gradient_is_right() -> None:
    op = fixed_downsampling(comet_kernel(2), (6, 8), torch.float64, CPU)
    torch.manual_seed(0)
    r = torch.rand(1, 3, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(op.inverse_gram, r)
    assert torch.autograd.gradgradcheck(op.inverse_gram, r)


def test_float32_is_as_exact_as_conjugate_gradients() -> None:
    kernel = make_psf("file:wide.npy", streak(15, 15, 0.6, 2.6, 1.4), 4)
    exact = downsampling(kernel, (96, 96), torch.float64)
    r = torch.rand(4, 24, 24, generator=torch.Generator().manual_seed(0))
    errors = []
    for op in (fixed_downsampling(kernel, (96, 96), torch.float32, CPU), downsampling(kernel, (96, 96))):
        back = exact.down(exact.adjoint(op.inverse_gram(r).double()))
        errors.append((back - r).square().mean().sqrt().item())
    assert errors[0] < max(3 * errors[1], 1e-6)


def test_a_matrix_that_would_be_too_large_is_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fixed_size, "MOST_PIXELS", 99)
    assert isinstance(fixed_downsampling(comet_kernel(4), (40, 41), torch.float32, CPU), ConvolvedDownsampling)


def test_kernels_that_cannot_be_inverted_are_refused() -> None:
    with pytest.raises(KernelError, match="singular"):
        fixed_downsampling(make_psf("file:flat.npy", torch.ones(32, 32).numpy(), 4), (64, 64), torch.float32, CPU)


def test_a_constraint_takes_it_at_its_fixed_size_alone() -> None:
    constraint = Affine(comet_kernel(4))
    constraint.fixed = (32, 32)
    f = torch.rand(1, 3, 32, 32)
    assert isinstance(constraint.operator(f), FixedDownsampling)
    assert isinstance(constraint.operator(f[..., :16]), ConvolvedDownsampling)
    x = torch.rand(1, 3, 8, 8)
    assert torch.allclose(constraint.down(constraint(f, Point(x))), x, atol=1e-5)
