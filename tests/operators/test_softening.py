"""A regularised A⁺, seen through A."""

import pytest
import torch
from torch import Tensor

from mapsr_cli.errors import UsageError
from mapsr_cli.operators import SeparableKernel, downsampling, make_kernel, soften
from mapsr_cli.operators.axis import dense_a

KERNELS = [
    make_kernel("bicubic", 4),
    make_kernel("bicubic", 2),
    make_kernel("gaussian9", 4),
    make_kernel("lanczos3", 3),
]


def regularised(kernel: SeparableKernel, n: int, ridge: float) -> Tensor:
    """A A⁺_ρ along one axis, dense, from its definition: m + Aᵀ(AAᵀ + ρI)⁻¹(x − A m), m = Aᵀx / λ."""
    a = torch.from_numpy(dense_a(kernel, kernel.scale * n))
    gram, eye = a @ a.T, torch.eye(n, dtype=torch.float64)
    guess = a.T * kernel.scale
    seen: Tensor = a @ (guess + a.T @ torch.linalg.solve(gram + ridge * eye, eye - a @ guess))
    return seen


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: f"{k.name} ×{k.scale}")
@pytest.mark.parametrize("strength", [0.9, 0.5, 0.05])
def test_is_the_ridge_on_the_residual(kernel: SeparableKernel, strength: float) -> None:
    x = torch.rand(2, 100, 7, dtype=torch.float64)
    ridge = (1 - strength) / strength / kernel.scale
    rows, cols = regularised(kernel, 100, ridge), regularised(kernel, 7, ridge)
    rows, cols = (m / m.sum(1, keepdim=True) for m in (rows, cols))
    assert (soften(x, kernel, strength) - rows @ x @ cols.T).abs().max() < 1e-10
    if kernel.name == "bicubic":  # its gain for flat areas is λ everywhere
        assert (regularised(kernel, 100, ridge).sum(1) - 1).abs().max() < 1e-10


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: f"{k.name} ×{k.scale}")
def test_flat_areas_keep_their_level(kernel: SeparableKernel) -> None:
    for strength in (0.0, 0.3, 1.0):
        assert (soften(torch.full((1, 40, 9), 7.0), kernel, strength) - 7).abs().max() < 1e-9


def test_the_ends() -> None:
    kernel = make_kernel("bicubic", 4)
    x = torch.rand(1, 30, 40, dtype=torch.float64)
    assert torch.equal(soften(x, kernel, 1.0), x)
    op = downsampling(kernel, (120, 160), torch.float64)
    assert (soften(x, kernel, 0.0) - 16 * op.down(op.adjoint(x))).abs().max() < 2e-3


def test_less_strength_is_less_noise() -> None:
    kernel = make_kernel("bicubic", 4)
    noise = torch.randn(1, 60, 60, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    left = [soften(noise, kernel, strength).std().item() for strength in (1.0, 0.8, 0.5, 0.2, 0.0)]
    assert left == sorted(left, reverse=True)
    assert left[-1] < 0.75 * left[0]


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_out_of_range(strength: float) -> None:
    with pytest.raises(UsageError, match="strength"):
        soften(torch.zeros(1, 4, 4), KERNELS[0], strength)
