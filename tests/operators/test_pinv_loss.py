"""ℓ1 and ℓ2: expectations against samples, and against the matrices that they are about."""

import pytest
import torch

from mapsr_cli.operators import ConvPinv, Kernel, downsampling, make_kernel, random_kernels
from mapsr_cli.operators.convolved import units
from mapsr_cli.operators.pinv_loss import PinvLoss
from mapsr_cli.operators.polyphase import polyphase
from tests.psfs import comet_kernel

CASES = [(make_kernel("gaussian9", 4), 3), (make_kernel("bicubic", 2), 4), (comet_kernel(3), 3), (comet_kernel(2), 1)]
cases = pytest.mark.parametrize(("kernel", "taps"), CASES, ids=lambda c: getattr(c, "name", c))


def some_kernels(kernel: Kernel, taps: int) -> torch.Tensor:
    return random_kernels(kernel.scale, taps, torch.Generator().manual_seed(0), torch.float64)


@cases
def test_expectations_are_the_squared_norms_of_rows_inside_the_image(kernel: Kernel, taps: int) -> None:
    """eqns (21) and (22), E‖My‖² = ‖M‖²: at a pixel far from borders, with A and B as matrices."""
    loss, kernels = PinvLoss(polyphase(kernel), taps), some_kernels(kernel, taps)
    side = 15
    op = downsampling(kernel, (side * kernel.scale, side * kernel.scale), torch.float64)
    pixels = torch.cat(list(units(op.lr_size)))
    a, b = op.adjoint(pixels).flatten(1), ConvPinv(kernels).pinv(pixels).flatten(1).T
    lr = side * (side // 2) + side // 2
    hr = torch.zeros(op.hr_size, dtype=torch.bool)
    hr[(block := slice(side // 2 * kernel.scale, (side // 2 + 1) * kernel.scale)), block] = True
    l1, l2 = loss.expected(kernels)
    assert float(l1) == pytest.approx(float((a - a @ b @ a)[lr].square().sum()), rel=1e-10)
    of_block = (b - b @ a @ b)[hr.flatten()].square().sum() / kernel.scale**2
    assert float(l2) == pytest.approx(float(of_block), rel=1e-10)
    off = (torch.eye(len(a), dtype=torch.float64) - a @ b)[lr].square().sum()
    assert float(loss.inconsistency(kernels)) == pytest.approx(float(off), rel=1e-10)


@cases
def test_samples_are_unbiased(kernel: Kernel, taps: int) -> None:
    loss, kernels = PinvLoss(polyphase(kernel), taps), some_kernels(kernel, taps)
    generator = torch.Generator().manual_seed(1)
    expected = loss.expected(kernels)
    assert loss.sampled_l1(kernels, 8, 40, generator).item() == pytest.approx(expected[0].item(), rel=0.08)
    assert loss.sampled_l2(kernels, 8, 40, generator).item() == pytest.approx(expected[1].item(), rel=0.08)


@cases
def test_the_matrix_is_the_composition(kernel: Kernel, taps: int) -> None:
    loss, kernels = PinvLoss(polyphase(kernel), taps), some_kernels(kernel, taps)
    assert torch.allclose(loss.matrix() @ kernels.flatten(), loss.composed(kernels).flatten(), atol=1e-14)


def test_nothing_is_lost_on_an_inverse() -> None:
    """For `box`, repeating pixels is A⁺."""
    loss = PinvLoss(polyphase(make_kernel("box", 4)), 1)
    kernels = torch.ones(16, 1, 1, dtype=torch.float64)
    assert sum(float(value) for value in loss.expected(kernels)) < 1e-28
    assert float(loss.sampled_l1(kernels, 1, 5, torch.Generator())) < 1e-28
    assert float(loss.sampled_l2(kernels, 1, 5, torch.Generator())) < 1e-28
