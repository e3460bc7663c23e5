"""What the constraints promise."""

from typing import get_args

import pytest
import torch
from torch import Tensor

from mapsr_cli.networks import Affine, AffineConvolution, Constraint, FirstGuess, Soft, Unconstrained
from mapsr_cli.operators import Kernel, LevelCube, Point, downsampling, make_kernel

KERNEL = make_kernel("gaussian9", 4)


def images(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    """f and x that do not agree."""
    torch.manual_seed(0)
    return torch.rand(2, 3, 24, 16, dtype=dtype), torch.rand(2, 3, 6, 4, dtype=dtype)


@pytest.mark.parametrize("constraint", [Unconstrained(KERNEL), Soft(KERNEL, 1.0)])
def test_without_projection_the_estimate_is_the_networks(constraint: Constraint) -> None:
    f, x = images()
    assert torch.equal(constraint(f, Point(x)), f)


def test_the_soft_penalty_is_the_weighted_mean_absolute_inconsistency() -> None:
    f, x = images()
    down = downsampling(KERNEL, (24, 16), torch.float64).down(f)
    penalty = Soft(KERNEL, 0.25).penalty(f, Point(x))
    assert penalty.item() == pytest.approx(0.25 * (down - x).abs().mean().item(), rel=1e-12)
    consistent = downsampling(KERNEL, (24, 16), torch.float64).project(f, x)
    assert Soft(KERNEL, 0.25).penalty(consistent, Point(x)).item() < 1e-12


def test_hard_constraints_cost_nothing() -> None:
    f, x = images()
    assert Affine(KERNEL).penalty(f, Point(x)) is None
    assert Unconstrained(KERNEL).penalty(f, Point(x)) is None


def test_the_exact_projection_holds_and_its_gradient_is_projected() -> None:
    f, x = images()
    f.requires_grad_()
    constraint = Affine(KERNEL)
    estimate = constraint(f, Point(x))
    assert (constraint.down(estimate) - x).abs().max().item() < 1e-10
    (gradient,) = torch.autograd.grad(estimate.square().sum(), f)
    assert constraint.down(gradient).abs().max().item() < 1e-10  # eqn (25): what A sees cannot be moved


@pytest.mark.parametrize("guess", get_args(FirstGuess))
def test_the_first_guess_says_from_where_the_nearest_point_is_taken(guess: FirstGuess) -> None:
    """A ŷ = P_C(u) for u = A f, x + A f or x; of a point every guess is eqn (7)."""
    f, x = images()
    f, x = 255 * f, (255 * x).round()
    cube, constraint = LevelCube(x, 255), Affine(KERNEL, guess)
    seen = constraint.down(f)
    first = {"picture": seen, "detail": x + seen, "original": x}[guess]
    torch.testing.assert_close(constraint.down(constraint(f, cube)), cube.nearest(first))
    torch.testing.assert_close(constraint(f, Point(x)), Affine(KERNEL)(f, Point(x)))


def test_without_the_projection_detail_is_added_to_what_a_takes_to_x() -> None:
    f, x = images()
    picture = Affine(KERNEL, "detail").unprojected(KERNEL)(f, LevelCube(x, 1))
    torch.testing.assert_close(picture, f + downsampling(KERNEL, (24, 16), torch.float64).pinv(x))


def interpolating(kernel: Kernel) -> Tensor:
    """Kernels whose B repeats each LR pixel: A B = I away from borders only for `box`."""
    kernels = torch.zeros(kernel.scale**2, 3, 3)
    kernels[:, 1, 1] = 1.0
    return kernels


def test_the_convolution_is_a_pseudo_inverse_where_its_kernels_are() -> None:
    """For `box`, repeating pixels is A⁺, borders included: then the convolution equals the exact projection."""
    kernel = make_kernel("box", 4)
    f, x = images(torch.float32)
    learned = AffineConvolution(kernel, interpolating(kernel), trainable=False)
    torch.testing.assert_close(learned(f, Point(x)), Affine(kernel)(f, Point(x)), rtol=0, atol=1e-6)
    assert not learned.kernels.requires_grad


def test_a_trainable_convolution_learns_to_be_consistent() -> None:
    kernel = make_kernel("box", 2)
    torch.manual_seed(0)
    learned = AffineConvolution(kernel, 0.1 * torch.randn(4, 3, 3), trainable=True)
    optimiser = torch.optim.Adam(learned.parameters(), 0.05)
    for _ in range(150):
        f, x = torch.rand(4, 1, 8, 8), torch.rand(4, 1, 4, 4)
        loss = (learned.down(learned(f, Point(x))) - x).square().mean()
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    assert loss.item() < 1e-3


def test_colours_do_not_mix() -> None:
    kernel = make_kernel("box", 4)
    learned = AffineConvolution(kernel, torch.rand(16, 3, 3), trainable=False)
    x = torch.zeros(1, 3, 4, 4)
    x[:, 1] = 1.0
    lifted = learned.pinv(x, torch.empty(1, 3, 16, 16))
    assert lifted[:, 1].abs().sum() > 0
    assert lifted[:, [0, 2]].abs().sum() == 0
