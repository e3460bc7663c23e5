"""A, Aᵀ, A⁺ and Π on images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from mapsr_cli.errors import UsageError
from mapsr_cli.operators import AnyKernel, ResizingKernel, downsampling, make_kernel
from mapsr_cli.operators.kernels import SCALES
from mapsr_cli.operators.separable import SeparableDownsampling
from tests.fake_cuda import on_fake_cuda
from tests.psfs import comet_kernel

TOLERANCE = 1e-10
kernels = st.builds(
    make_kernel, st.sampled_from(["bicubic", "gaussian9", "gaussian8", "lanczos3", "box"]), st.sampled_from(SCALES)
)
sides = st.one_of(st.integers(1, 67), st.integers(260, 700))


def images(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def inner(a: Tensor, b: Tensor) -> float:
    return float((a * b).sum())


@settings(max_examples=60, deadline=None)
@given(kernel=kernels, height=sides, width=st.integers(1, 80), seed=st.integers(0, 99))
def test_what_makes_a_projection(kernel, height, width, seed) -> None:  # type: ignore[no-untyped-def]
    op = downsampling(kernel, (height, width), torch.float64)
    y, f, r = images(seed, 2, height, width), images(seed + 1, 2, height, width), images(seed + 2, 2, *op.lr_size)
    assert inner(op.down(y), r) == pytest.approx(inner(y, op.adjoint(r)), abs=TOLERANCE * height * width)
    assert (op.down(op.pinv(r)) - r).abs().max() < TOLERANCE  # A A⁺ = I: A has full row rank
    projected = op.project(f, r)
    assert (op.down(projected) - r).abs().max() < TOLERANCE  # A Π = x
    assert (op.project(projected, r) - projected).abs().max() < TOLERANCE  # Π² = Π
    null = projected - f  # orthogonal: the move is perpendicular to every difference of solutions
    assert abs(inner(null, f - op.pinv(op.down(f)))) < TOLERANCE * height * width


@settings(max_examples=30, deadline=None)
@given(kernel=kernels, height=st.integers(1, 60), width=st.integers(1, 300), seed=st.integers(0, 99))
def test_projecting_never_takes_an_estimate_further_from_the_truth(kernel, height, width, seed) -> None:  # type: ignore[no-untyped-def]
    op = downsampling(kernel, (height, width), torch.float64)
    truth, f = images(seed, 1, height, width), 3 * images(seed + 1, 1, height, width)
    projected = op.project(f, op.down(truth))
    assert (projected - truth).square().sum() <= (f - truth).square().sum() * (1 + 1e-12)


def test_gradient_is_that_of_eqns_24_and_25() -> None:
    """∂Π f/∂f = I − A⁺A, symmetric: the gradient with respect to f is the incoming one, projected on A's null space."""
    op = downsampling(make_kernel("gaussian9", 4), (24, 300), torch.float64)
    f, x = images(0, 24, 300).requires_grad_(), images(1, *op.lr_size).requires_grad_()
    incoming = images(2, 24, 300)
    by_f, by_x = torch.autograd.grad(op.project(f, x), (f, x), incoming)
    assert torch.allclose(by_f, incoming - op.pinv(op.down(incoming)), atol=TOLERANCE)
    assert torch.allclose(by_x, op.inverse_gram(op.down(incoming)), atol=TOLERANCE)


@pytest.mark.parametrize("size", [(7, 5), (270, 9)])
def test_gradcheck_and_gradgradcheck(size: tuple[int, int]) -> None:
    op = downsampling(make_kernel("bicubic", 4), size, torch.float64)
    f, x = images(0, *size).requires_grad_(), images(1, *op.lr_size).requires_grad_()
    assert torch.autograd.gradcheck(op.project, (f, x), fast_mode=True)
    assert torch.autograd.gradgradcheck(op.project, (f, x), fast_mode=True)


def test_leading_dimensions_and_strides_do_not_matter() -> None:
    op = downsampling(make_kernel("bicubic", 4), (300, 280), torch.float64)
    y = images(0, 2, 3, 300, 280)
    planes = torch.stack([torch.stack([op.down(c) for c in image]) for image in y])
    assert torch.allclose(op.down(y), planes, atol=1e-14)
    strided = y.to(memory_format=torch.channels_last)
    x = images(1, 2, 3, *op.lr_size)
    assert torch.allclose(op.project(strided, x), op.project(y, x), atol=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", ["bicubic", "odd ratio", "measured"])
def test_inverse_gram_in_place(kind: str, dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """In parts of rows and columns, it is what it is over whole planes."""
    monkeypatch.setattr("mapsr_cli.operators.separable.SOLVED", 40)
    kernels: dict[str, AnyKernel] = {
        "bicubic": make_kernel("bicubic", 4),
        "odd ratio": ResizingKernel("bicubic", (171, 90), (257, 149)),
        "measured": comet_kernel(2),
    }
    size = (257, 149) if kind == "odd ratio" else (300, 180)
    op = downsampling(kernels[kind], size, dtype)
    r = images(0, 3, *op.lr_size).to(dtype)
    whole = torch.stack([op.inverse_gram(plane) for plane in r])
    op.invert_gram(r)
    assert (r - whole).abs().max() <= (1e-12 if dtype == torch.float64 else 1e-5)


def test_does_not_change_its_input() -> None:
    op = downsampling(make_kernel("bicubic", 4), (280, 280), torch.float64)
    f, x = images(0, 280, 280), images(1, 70, 70)
    before = f.clone(), x.clone()
    op.project(f, x)
    assert torch.equal(f, before[0])
    assert torch.equal(x, before[1])


def test_float32_at_4k_is_a_thousand_times_nearer_than_the_paper() -> None:
    op = downsampling(make_kernel("bicubic", 2), (2160, 3840))
    y = torch.rand(1, 2160, 3840, generator=torch.Generator().manual_seed(0))
    x = torch.rand(1, 1080, 1920, generator=torch.Generator().manual_seed(1))
    assert (op.down(op.project(y, x)) - x).square().mean() <= 1e-13


@pytest.mark.parametrize("size", [(280, 280), (40, 40)])
def test_autocast_does_not_reach_the_projection(size: tuple[int, int]) -> None:
    op = downsampling(make_kernel("bicubic", 4), size)
    f, x = torch.rand(3, *size, requires_grad=True), torch.rand(3, *op.lr_size)
    with torch.autocast("cpu", torch.bfloat16):
        projected = op.project(f, x)
        (gradient,) = torch.autograd.grad(projected.sum(), f)
    assert torch.equal(projected, op.project(f, x))
    assert gradient.dtype == torch.float32


def test_set_up_is_cached() -> None:
    kernel = make_kernel("gaussian9", 4)
    first, again = downsampling(kernel, (2160, 3840)), downsampling(kernel, (2160, 3840))
    assert isinstance(first, SeparableDownsampling)
    assert isinstance(again, SeparableDownsampling)
    assert first._rows is again._rows


def test_applying_a_does_not_build_its_inverse() -> None:
    op = downsampling(make_kernel("gaussian7", 4), (80, 72), torch.float64)
    assert isinstance(op, SeparableDownsampling)
    op.adjoint(op.down(images(0, 80, 72)))
    assert op.condition > 1
    assert "inverse_gram" not in vars(op._rows)
    op.pinv(images(0, *op.lr_size))
    assert vars(op._rows)["inverse_gram"] is op._rows.inverse_gram


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*should not be instantiated:DeprecationWarning")  # torch's own, in its tracer
def test_compiles_whole() -> None:
    op = downsampling(make_kernel("bicubic", 4), (288, 40))
    compiled = torch.compile(op.project, backend="aot_eager", fullgraph=True)
    f, x = torch.rand(3, 288, 40), torch.rand(3, 72, 10)
    op.pinv(x)  # builds (AAᵀ)⁻¹, which a graph cannot
    f.requires_grad_()
    assert torch.allclose(compiled(f, x), op.project(f, x), atol=1e-6)
    (by,) = torch.autograd.grad(compiled(f, x).sum(), f)
    (expected,) = torch.autograd.grad(op.project(f, x).sum(), f)
    assert torch.allclose(by, expected, atol=1e-6)


def test_stays_on_its_device() -> None:
    real = downsampling(make_kernel("bicubic", 4), (288, 40))
    with FakeTensorMode():
        op = on_fake_cuda(real)
        f, x = torch.empty(3, 288, 40, device="cuda"), torch.empty(3, 72, 10, device="cuda")
        out = op.project(f, x)
    assert out.device.type == "cuda"
    assert out.shape == (3, 288, 40)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu() -> None:
    op = downsampling(make_kernel("bicubic", 4), (288, 400), device="cuda")
    f, x = torch.rand(3, 288, 400, device="cuda"), torch.rand(3, 72, 100, device="cuda")
    assert (op.down(op.project(f, x)) - x).square().mean() < 1e-13


def test_nonsense_is_refused() -> None:
    with pytest.raises(UsageError):
        downsampling(make_kernel("box", 2), (0, 5))
    with pytest.raises(UsageError):
        downsampling(make_kernel("box", 2), (4, 5), ridge=-1.0)
