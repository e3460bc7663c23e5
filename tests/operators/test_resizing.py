"""A, Aᵀ, A⁺ and Π between any two sizes."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from mapsr_cli.errors import UsageError
from mapsr_cli.operators import ResizingKernel, downsampling, make_kernel, make_strips
from tests.fake_cuda import on_fake_cuda

TOLERANCE = 1e-10


@st.composite
def kernels(draw: st.DrawFn, longest: int = 60) -> ResizingKernel:
    small = draw(st.integers(1, longest)), draw(st.integers(1, longest))
    ratios = draw(st.floats(1.1, 9)), draw(st.floats(1.1, 9))
    name = draw(st.sampled_from(["bicubic", "box", "lanczos3"]))
    return ResizingKernel(name, small, (math.ceil(small[0] * ratios[0]), math.ceil(small[1] * ratios[1])))


def images(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@settings(max_examples=40, deadline=None)
@given(kernel=kernels(), seed=st.integers(0, 99))
def test_what_makes_a_projection(kernel: ResizingKernel, seed: int) -> None:
    op = downsampling(kernel, kernel.large, torch.float64)
    assert (op.lr_size, op.hr_size) == (kernel.small, kernel.large)
    y, f, r = images(seed, 2, *kernel.large), images(seed + 1, 2, *kernel.large), images(seed + 2, 2, *kernel.small)
    assert float((op.down(y) * r).sum()) == pytest.approx(float((y * op.adjoint(r)).sum()), abs=TOLERANCE * y.numel())
    assert (op.down(op.pinv(r)) - r).abs().max() < TOLERANCE
    projected = op.project(f, r)
    assert (op.down(projected) - r).abs().max() < TOLERANCE
    assert (op.project(projected, r) - projected).abs().max() < TOLERANCE
    truth = op.project(y, r)
    assert (projected - truth).square().sum() <= (f - truth).square().sum() * (1 + 1e-12)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_at_a_whole_ratio_it_is_the_kernel_of_that_factor(scale: int) -> None:
    large = (scale * 41, scale * 29)
    resizing = downsampling(ResizingKernel("bicubic", (41, 29), large), large, torch.float64)
    strided = downsampling(make_kernel("bicubic", scale), large, torch.float64)
    y, x = images(0, *large), images(1, 41, 29)
    assert (resizing.down(y) - strided.down(y)).abs().max() < 1e-13
    assert (resizing.project(y, x) - strided.project(y, x)).abs().max() < 1e-13


def test_gradients() -> None:
    op = downsampling(ResizingKernel("bicubic", (40, 5), (91, 17)), (91, 17), torch.float64)
    f, x = images(0, 91, 17).requires_grad_(), images(1, 40, 5).requires_grad_()
    assert torch.autograd.gradcheck(op.project, (f, x), fast_mode=True)
    assert torch.autograd.gradgradcheck(op.project, (f, x), fast_mode=True)


@settings(max_examples=10, deadline=None)
@given(kernel=kernels(longest=300))
def test_strips_are_the_whole(kernel: ResizingKernel) -> None:
    op = downsampling(kernel, kernel.large)
    y, r = images(0, 2, *kernel.large).float(), images(1, 2, *kernel.small).float()
    strips, whole, onto = make_strips(op, 1 << 12), op.down(y), torch.zeros(2, *kernel.large)
    # Of narrow images, matrix libraries may sum in another order.
    assert torch.allclose(strips.down_whole(lambda rows: y[:, rows]), whole, atol=1e-5)
    for part in strips.plan:
        strips.add_adjoint(part, r, onto[:, strips.hr(part)])
    assert torch.allclose(onto, op.adjoint(r), atol=1e-6)
    assert [strips.hr(part).start for part in strips.plan[1:]] == [strips.hr(part).stop for part in strips.plan[:-1]]


def test_float32_at_4k() -> None:
    kernel = ResizingKernel("bicubic", (919, 1634), (2160, 3840))
    op = downsampling(kernel, kernel.large)
    y, x = torch.rand(1, *kernel.large), torch.rand(1, *kernel.small)
    assert (op.down(op.project(y, x)) - x).square().mean() <= 1e-13


def test_another_size_is_refused() -> None:
    kernel = ResizingKernel("bicubic", (10, 20), (25, 47))
    with pytest.raises(UsageError, match="47×25 → 20×10"):
        downsampling(kernel, (25, 48))
    with pytest.raises(UsageError, match="20×11"):
        kernel.hr_size((11, 20))


def test_ranges_adjoin_and_cover_the_image() -> None:
    kernel = ResizingKernel("bicubic", (100, 7), (235, 20))
    for axis in (0, 1):
        stops = [kernel.hr_range(slice(i, i + 1), axis) for i in range(kernel.small[axis])]
        assert stops[0].start == 0
        assert stops[-1].stop == kernel.large[axis]
        assert all(a.stop == b.start for a, b in pairwise(stops))


def test_stays_on_its_device() -> None:
    kernel = ResizingKernel("bicubic", (40, 50), (91, 120))
    real = downsampling(kernel, kernel.large)
    with FakeTensorMode():
        op = on_fake_cuda(real)
        projected = op.project(torch.empty(3, 91, 120, device="cuda"), torch.empty(3, 40, 50, device="cuda"))
    assert projected.device.type == "cuda"
    assert projected.shape == (3, 91, 120)
