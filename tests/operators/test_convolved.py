"""A, Aᵀ, A⁺ and Π of point-spread functions, in float64, to 1e-10."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from mapsr_cli.errors import KernelError
from mapsr_cli.operators import Downsampling, downsampling, make_kernel, make_psf
from mapsr_cli.operators.convolved import ConvolvedDownsampling, build_convolved, units
from mapsr_cli.operators.kernels import SCALES
from tests.fake_cuda import Detours, on_fake_cuda
from tests.psfs import comet, comet_kernel, streak

TOLERANCE = 1e-10
PSFS = [comet_kernel(scale) for scale in SCALES] + [make_psf("file:streak.npy", streak(), 4)]


def images(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def dense(op: Downsampling) -> Tensor:
    """A as a matrix."""
    return torch.cat([op.adjoint(part).flatten(1) for part in units(op.lr_size)])


@settings(max_examples=25, deadline=None)
@given(kernel=st.sampled_from(PSFS), height=st.integers(1, 70), width=st.integers(1, 90), seed=st.integers(0, 99))
def test_what_makes_a_projection(kernel, height, width, seed) -> None:  # type: ignore[no-untyped-def]
    op = downsampling(kernel, (height, width), torch.float64)
    y, f, r = images(seed, 2, height, width), images(seed + 1, 2, height, width), images(seed + 2, 2, *op.lr_size)
    left, right = float((op.down(y) * r).sum()), float((y * op.adjoint(r)).sum())
    assert left == pytest.approx(right, abs=TOLERANCE * height * width)
    projected = op.project(f, r)
    assert (op.down(projected) - r).abs().max() < TOLERANCE  # A Π = x
    assert (op.project(projected, r) - projected).abs().max() < TOLERANCE  # Π² = Π
    null = projected - f  # orthogonal: the move is perpendicular to every difference of solutions
    assert abs(float((null * (f - op.pinv(op.down(f)))).sum())) < TOLERANCE * height * width


@pytest.mark.parametrize("kernel", PSFS, ids=lambda k: f"{k.name}-x{k.scale}")
@pytest.mark.parametrize("size", [(1, 1), (3, 2), (33, 26)])
def test_the_four_penrose_conditions(kernel, size) -> None:  # type: ignore[no-untyped-def]
    op = downsampling(kernel, size, torch.float64)
    a = dense(op)
    p = torch.cat([op.pinv(part).flatten(1) for part in units(op.lr_size)]).T
    ap, pa = a @ p, p @ a
    assert max(float(d.abs().max()) for d in (ap @ a - a, pa @ p - p, ap - ap.T, pa - pa.T)) < TOLERANCE


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("name", ["gaussian9", "bicubic", "gaussian1"])
def test_a_separable_psf_is_the_separable_operator(name: str, scale: int) -> None:
    kernel = make_kernel(name, scale, None if name == "bicubic" else 1.2)
    psf = make_psf("file:psf.npy", np.outer(kernel.taps, kernel.taps), scale)
    for size in ((41, 52), (3, 70), (1, 1)):
        ours, theirs = downsampling(psf, size, torch.float64), downsampling(kernel, size, torch.float64)
        y, r = images(0, 2, *size), images(1, 2, *theirs.lr_size)
        assert ours.lr_size == theirs.lr_size
        assert torch.allclose(ours.down(y), theirs.down(y), rtol=0, atol=TOLERANCE)
        assert torch.allclose(ours.adjoint(r), theirs.adjoint(r), rtol=0, atol=TOLERANCE)
        assert torch.allclose(ours.pinv(r), theirs.pinv(r), rtol=0, atol=TOLERANCE)
        assert torch.allclose(ours.project(y, r), theirs.project(y, r), rtol=0, atol=TOLERANCE)


def test_gradients_are_right_and_the_solves_is_another_solve() -> None:
    op = downsampling(comet_kernel(2), (9, 12), torch.float64)
    f, x = images(0, *op.hr_size).requires_grad_(), images(1, *op.lr_size).requires_grad_()
    assert torch.autograd.gradcheck(op.project, (f, x), fast_mode=True)
    assert torch.autograd.gradgradcheck(op.project, (f, x), fast_mode=True)
    incoming = images(2, *op.hr_size)
    by_f, by_x = torch.autograd.grad(op.project(f, x), (f, x), incoming)
    assert torch.allclose(by_f, incoming - op.pinv(op.down(incoming)), atol=TOLERANCE)
    assert torch.allclose(by_x, op.inverse_gram(op.down(incoming)), atol=TOLERANCE)


def test_it_learns_after_it_was_used_in_inference_mode() -> None:
    f = torch.rand(20, 18, requires_grad=True)
    with torch.inference_mode():
        downsampling(comet_kernel(2), (20, 18)).pinv(torch.rand(10, 9))
    downsampling(comet_kernel(2), (20, 18)).project(f, torch.rand(10, 9)).sum().backward()  # type: ignore[no-untyped-call]
    assert f.grad is not None


def test_leading_dimensions_and_strides_do_not_matter() -> None:
    op = downsampling(comet_kernel(4), (40, 48), torch.float64)
    f, x = images(0, 2, 3, 40, 48), images(1, 2, 3, 10, 12)
    together = op.project(f.to(memory_format=torch.channels_last), x)
    for i in range(2):
        for j in range(3):
            assert torch.allclose(together[i, j], op.project(f[i, j], x[i, j]), atol=1e-11)


def test_float32_keeps_the_promise() -> None:
    op = downsampling(comet_kernel(4), (256, 200))
    f, x = images(0, 3, 256, 200).float(), images(1, 3, 64, 50).float()
    assert (op.down(op.project(f, x)) - x).square().mean() < 1e-12


def test_condition_is_that_of_the_matrix_or_worse() -> None:
    kernel = make_psf("file:streak.npy", streak(), 4)
    small = downsampling(kernel, (64, 40), torch.float64)
    gram = dense(small) @ dense(small).T
    assert small.condition == pytest.approx(float(torch.linalg.cond(gram)), rel=1e-9)
    large = downsampling(kernel, (80, 72), torch.float64)
    gram = dense(large) @ dense(large).T
    assert float(torch.linalg.cond(gram)) <= large.condition * 1.01
    assert downsampling(kernel, (80, 72), torch.float64, ridge=0.1).condition < large.condition


@pytest.mark.slow
def test_near_singular_psfs_are_refused_with_their_condition_number() -> None:
    wide = make_psf("file:wide.npy", streak(31, 31, along=5, across=5), 2)
    for size in ((200, 200), (24, 20)):
        with pytest.raises(KernelError, match=r"file:wide\.npy .*condition number \d") as caught:
            downsampling(wide, size)
        assert "ridge" in caught.value.hint


def test_a_ridge_regularises() -> None:
    wide = make_psf("file:wide.npy", streak(13, 13, along=3, across=3), 2)
    op = downsampling(wide, (24, 20), torch.float64, ridge=1e-3)
    r, a = images(0, *op.lr_size), dense(op)
    expected = torch.linalg.solve(a @ a.T + 1e-3 * torch.eye(len(a), dtype=a.dtype), r.flatten())
    assert torch.allclose(op.inverse_gram(r).flatten(), expected, atol=1e-9)


def test_autocast_does_not_reach_the_projection() -> None:
    op = downsampling(comet_kernel(4), (40, 40))
    f, x = torch.rand(3, 40, 40, requires_grad=True), torch.rand(3, 10, 10)
    with torch.autocast("cpu", torch.bfloat16):
        projected = op.project(f, x)
        (gradient,) = torch.autograd.grad(projected.sum(), f)
    assert torch.equal(projected, op.project(f, x))
    assert gradient.dtype == torch.float32


def test_set_up_is_cached() -> None:
    assert downsampling(comet_kernel(4), (64, 64)) is downsampling(comet_kernel(4), (64, 64))


def test_stays_on_its_device() -> None:
    """All but the solve: whether it has converged is a question that a tensor without numbers cannot answer."""
    real = build_convolved(comet_kernel(4), (24, 40), torch.float32, torch.device("cpu"))
    with FakeTensorMode(), Detours():
        op = on_fake_cuda(real)
        assert isinstance(op, ConvolvedDownsampling)
        x = op._precondition(op.down(torch.empty(3, 24, 40, device="cuda")))
        y = op.adjoint(x)
    assert (x.device.type, x.shape) == ("cuda", (3, 6, 10))
    assert (y.device.type, y.shape) == ("cuda", (3, 24, 40))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu() -> None:
    op = downsampling(comet_kernel(4), (288, 400), device="cuda")
    f, x = torch.rand(3, 288, 400, device="cuda"), torch.rand(3, 72, 100, device="cuda")
    assert (op.down(op.project(f, x)) - x).square().mean() < 1e-12


def test_comets_are_not_separable() -> None:
    """Or these tests would say little."""
    assert np.linalg.svd(comet())[1][1] > 0.1
