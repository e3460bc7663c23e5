"""Where no image satisfies the evidence, tone comes before detail, and what can be exact is."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from mapsr_cli.operators import (
    Kernel,
    LevelCube,
    consistency,
    downsampling,
    make_kernel,
    round_trip,
    to_levels,
)
from mapsr_cli.operators.best_approximation import BestApproximation, local_mean
from mapsr_cli.operators.window_map import WindowCoordinates, window_map
from mapsr_cli.operators.window_problem import WindowProblem
from tests.one_bit import KINDS, one_bit
from tests.pictures import lr_of, scene
from tests.psfs import comet_kernel

BLOCK = 12


def least_squares(x: Tensor, kernel: Kernel) -> Tensor:
    """Plain least squares in the box, by 200 accelerated passes: [C, H, W]."""
    op = downsampling(kernel, kernel.hr_size((x.shape[-2], x.shape[-1])))
    step = 1 / op.down(op.adjoint(torch.ones_like(x))).max()
    y = ahead = op.pinv(x).clamp(0, 255)
    for k in range(200):
        moved = (ahead - step * op.adjoint(op.down(ahead) - x)).clamp(0, 255)
        ahead, y = moved + k / (k + 3) * (moved - y), moved
    return y


def saved(x: Tensor, kernel: Kernel) -> Tensor:
    """The levels that are saved for x, from A⁺x."""
    op = downsampling(kernel, kernel.hr_size((x.shape[-2], x.shape[-1])))
    return round_trip(op.pinv(x), LevelCube(x, 255), op, 255).image


def lr_psnr(y: Tensor, x: Tensor, kernel: Kernel) -> float:
    psnr = consistency(y, x, downsampling(kernel, (y.shape[-2], y.shape[-1])), 255).lr_psnr
    assert psnr is not None
    return psnr


@pytest.mark.parametrize(
    ("kind", "name", "scale"),
    [*((kind, "bicubic", 4) for kind in KINDS), ("dots", "bicubic", 2), ("text", "lanczos3", 3)],
)
def test_one_bit_material_keeps_its_tone(kind: str, name: str, scale: int) -> None:
    """Mean within 1.5 levels, blocks of 12 × 12 within 4, LR-PSNR within 0.3 dB of plain least squares."""
    x, kernel = one_bit(kind, 48, 60), make_kernel(name, scale)
    y = saved(x, kernel)
    assert abs(y.mean() - x.mean()) < 1.5
    blocks = functional.avg_pool2d(y, scale * BLOCK) - functional.avg_pool2d(x, BLOCK)
    assert blocks.abs().max() < 4
    assert lr_psnr(y, x, kernel) > lr_psnr(to_levels(least_squares(x, kernel), 255), x, kernel) - 0.3


def test_one_bit_material_under_a_measured_kernel() -> None:
    x, kernel = one_bit("text", 32, 40), comet_kernel(2)
    y, plain = saved(x, kernel), to_levels(least_squares(x, kernel), 255)
    assert abs(y.mean() - x.mean()) < 0.5 * abs(plain.mean() - x.mean())
    assert lr_psnr(y, x, kernel) > lr_psnr(plain, x, kernel) - 0.3


def test_a_dither_beside_a_photograph_leaves_it_alone() -> None:
    kernel = make_kernel("bicubic", 4)
    photo = lr_of(scene(4 * 48, 4 * 72, seed=4, contrast=1.3), kernel)[:1]
    x = photo.clone()
    x[..., 40:] = one_bit("ordered dither", 48, 32)
    op = downsampling(kernel, (192, 288))
    result = round_trip(op.pinv(x), LevelCube(x, 255), op, 255)
    right = to_levels(op.down(result.image), 255) == x
    assert right[..., :32].all()
    assert 0 < result.given_up < 0.75 * x.numel()
    alone = round_trip(op.pinv(photo), LevelCube(photo, 255), op, 255).image
    assert (result.image - alone)[..., : 4 * 12].abs().max() <= 1


def test_what_has_a_solution_is_never_given_up() -> None:
    kernel = make_kernel("bicubic", 4)
    x = lr_of(scene(4 * 40, 4 * 40, seed=5, contrast=2.0), kernel)
    op = downsampling(kernel, (160, 160))
    result = round_trip(op.pinv(x), LevelCube(x, 255), op, 255)
    assert (result.given_up, result.remaining) == (0, 0)


@given(seed=st.integers(0, 99))
def test_the_local_mean_is_symmetric(seed: int) -> None:
    u, v = torch.randn(2, 1, 1, 20, 15, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    assert (local_mean(u) * v).sum() == pytest.approx((u * local_mean(v)).sum().item(), abs=1e-10)
    assert torch.linalg.norm(local_mean(u)) <= torch.linalg.norm(u)


def test_the_solution_is_the_minimum(monkeypatch: pytest.MonkeyPatch) -> None:
    """No step against the gradient, clipped into the box, moves it (the optimality condition of a convex problem)."""
    where = torch.float64, torch.device("cpu")
    torch.manual_seed(0)
    x = 255 * torch.rand(1, 1, 12, 10, dtype=torch.float64).round()
    a = WindowCoordinates(window_map(make_kernel("bicubic", 2), (12, 10), 0.01, *where), LevelCube(x, 255))
    image = 255 * torch.rand(1, 1, 24, 20, dtype=torch.float64)
    residual = a.down(image) - x
    low, high = LevelCube(x, 255).tolerance()
    bounds = torch.where(low.isinf(), low, 0.0), torch.where(high.isinf(), high, 0.0)
    problem = WindowProblem(torch.zeros_like(image), -image, 255 - image, residual, residual, low, high, *bounds, a)
    solver = BestApproximation()
    monkeypatch.setattr(BestApproximation, "effort", solver.effort.__class__(window=12, passes=3000, slack=0.0))
    found = solver.solve(problem)
    step = found.aim - solver._gradient(problem, found.aim)
    assert (step.clamp(problem.floor, problem.ceiling) - found.aim).abs().max() < 1e-8
    assert torch.equal(found.change, found.aim.round())
