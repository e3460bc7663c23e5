"""B in place of A⁺: what it computes, and what can be learnt through it."""

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from mapsr_cli.errors import UsageError
from mapsr_cli.operators import ConvPinv, downsampling, make_kernel, random_kernels, solve_pinv
from mapsr_cli.operators.border import reflected
from tests.fake_cuda import Detours


def images(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize(("scale", "taps"), [(2, 3), (3, 4), (4, 5), (2, 1)])
def test_it_is_the_sum_that_it_says(scale: int, taps: int) -> None:
    kernels, x = images(0, scale**2, taps, taps), images(1, 6, 5)
    y = ConvPinv(kernels).pinv(x)
    assert y.shape == (6 * scale, 5 * scale)
    before = (taps - 1) // 2
    for row in range(0, 6 * scale, 5):
        for col in range(5 * scale):
            i, j = row // scale, col // scale
            rows = reflected(torch.arange(i - before, i - before + taps).numpy(), 6)
            cols = reflected(torch.arange(j - before, j - before + taps).numpy(), 5)
            phase = scale * (row % scale) + col % scale
            assert float(y[row, col]) == pytest.approx(float((kernels[phase] * x[rows][:, cols]).sum()), abs=1e-12)


def test_every_leading_index_is_an_image_of_its_own() -> None:
    b, x = ConvPinv(images(0, 4, 3, 3)), images(1, 2, 3, 7, 6)
    assert torch.allclose(b.pinv(x), torch.stack([torch.stack([b.pinv(c) for c in image]) for image in x]))


@pytest.mark.parametrize("size", [(24, 28), (23, 26), (21, 25)])
def test_projecting_agrees_with_the_input_where_b_is_an_inverse(size: tuple[int, int]) -> None:
    """Bicubic is symmetric about the LR pixel's centre, so a B with AB = I inside keeps that at borders, too, where
    the image is a multiple of the scale; elsewhere it keeps it inside."""
    kernel = make_kernel("bicubic", 4)
    op, b = downsampling(kernel, size, torch.float64), solve_pinv(kernel, 5)
    f, x = images(0, 3, *size), images(1, 3, *op.lr_size)
    projected = f + b.pinv(x - op.down(f))[..., : size[0], : size[1]]
    assert projected.shape == f.shape
    off = (op.down(projected) - x).abs()
    whole = [None if n % 4 == 0 else -4 for n in size]
    assert off[:, : whole[0], : whole[1]].max() < 1e-10
    assert size == (24, 28) or off.max() > 1e-3


def test_gradients_reach_the_image_and_the_kernels() -> None:
    op = downsampling(make_kernel("gaussian9", 2), (8, 6), torch.float64)
    f, x, kernels = images(0, 8, 6).requires_grad_(), images(1, 4, 3).requires_grad_(), images(2, 4, 3, 3)
    kernels.requires_grad_()

    def project(f: Tensor, x: Tensor, k: Tensor) -> Tensor:
        return f + ConvPinv(k).pinv(x - op.down(f))

    assert torch.autograd.gradcheck(project, (f, x, kernels), fast_mode=True)


def test_it_learns_after_it_was_used_in_inference_mode() -> None:
    kernel = make_kernel("gaussian9", 2)
    b = ConvPinv(random_kernels(2, 3).requires_grad_())
    with torch.inference_mode():
        op = downsampling(kernel, (14, 12))
        b.pinv(torch.rand(7, 6) - op.down(torch.rand(14, 12)))
    b.pinv(torch.rand(7, 6) - op.down(torch.rand(14, 12))).sum().backward()  # type: ignore[no-untyped-call]
    assert b.kernels.grad is not None


def test_autocast_does_not_reach_it() -> None:
    b, x = ConvPinv(random_kernels(4, 5)), torch.rand(2, 3, 9, 9)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(b.pinv(x), b.pinv(x).float())
        inside = b.pinv(x)
    assert torch.equal(inside, b.pinv(x))


def test_kernels_follow_the_images_dtype() -> None:
    assert ConvPinv(images(0, 4, 3, 3)).pinv(torch.rand(5, 5)).dtype == torch.float32


def test_it_stays_on_its_device() -> None:
    with FakeTensorMode(), Detours():
        y = ConvPinv(torch.empty(16, 5, 5, device="cuda")).pinv(torch.empty(2, 3, 6, 5, device="cuda"))
    assert (y.device.type, y.shape) == ("cuda", (2, 3, 24, 20))


def test_random_kernels_keep_the_variance_and_follow_the_generator() -> None:
    kernels = random_kernels(4, 5, torch.Generator().manual_seed(3))
    assert kernels.shape == (16, 5, 5)
    assert torch.equal(kernels, random_kernels(4, 5, torch.Generator().manual_seed(3)))
    y = ConvPinv(kernels).pinv(torch.randn(1, 200, 200, generator=torch.Generator().manual_seed(0)))
    assert float(y.var()) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("shape", [(16, 5), (15, 5, 5), (16, 5, 4), (16, 0, 0), (0, 5, 5), (1, 4, 3, 3)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match="A⁺ takes"):
        ConvPinv(torch.zeros(shape))
