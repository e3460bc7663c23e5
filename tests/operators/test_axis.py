"""The four Penrose conditions and the rest of DESIGN.md's point 6, along one axis, in float64, to 1e-10."""

import pytest
import torch
from torch import Tensor

from mapsr_cli.errors import KernelError
from mapsr_cli.operators import make_kernel
from mapsr_cli.operators.axis import dense_a, lr_length, make_axis
from mapsr_cli.operators.banded import Banded
from mapsr_cli.operators.kernels import SCALES

CPU = torch.device("cpu")
NAMES = ("bicubic", "gaussian9", "gaussian8", "lanczos3", "box")
TOLERANCE = 1e-10


def penrose(a: Tensor, p: Tensor) -> float:
    """Largest residual of AA⁺A = A, A⁺AA⁺ = A⁺, AA⁺ and A⁺A symmetric."""
    ap, pa = a @ p, p @ a
    return max(float((d).abs().max()) for d in (ap @ a - a, pa @ p - p, ap - ap.T, pa - pa.T))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", SCALES)
def test_pseudoinverse_at_every_small_size(name: str, scale: int) -> None:
    kernel = make_kernel(name, scale)
    for n in range(1, 68):
        axis = make_axis(kernel, n, torch.float64, CPU)
        a = axis.down.forward.to_dense()
        assert a.shape == (lr_length(n, scale), n)
        assert torch.equal(axis.down.adjoint.to_dense(), a.T)
        assert penrose(a, a.T @ axis.inverse_gram.forward.to_dense()) < TOLERANCE, f"length {n}"


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("n", [523, 524, 1041])
def test_long_axes_are_the_dense_matrices(name: str, scale: int, n: int) -> None:
    """Where head, core and tail are at work: n is long enough for all kernels to repeat their cores."""
    kernel = make_kernel(name, scale)
    axis = make_axis(kernel, n, torch.float64, CPU)
    dense = torch.from_numpy(dense_a(kernel, n))
    assert torch.equal(axis.down.forward.to_dense(), dense)
    assert torch.equal(axis.down.adjoint.to_dense(), dense.T)
    assert penrose(dense, dense.T @ axis.inverse_gram.forward.to_dense()) < TOLERANCE


def test_long_axes_are_not_applied_densely() -> None:
    axis = make_axis(make_kernel("gaussian9", 4), 3840, torch.float32, CPU)
    for matrix in (axis.down.forward, axis.down.adjoint, axis.inverse_gram.forward):
        assert isinstance(matrix, Banded)
        stored = matrix.head.numel() + matrix.core.numel() + matrix.tail.numel()
        assert matrix.blocks > 10
        assert stored < 0.02 * matrix.rows * matrix.cols


def test_rows_sum_to_one_at_borders_too() -> None:
    for scale in SCALES:
        for n in (1, 2, 5, 9, 30):
            rows = torch.from_numpy(dense_a(make_kernel("bicubic", scale), n)).sum(1)
            assert torch.allclose(rows, torch.ones_like(rows), atol=1e-14)


def test_condition_is_the_published_one() -> None:
    assert make_axis(make_kernel("gaussian9", 4), 512, torch.float64, CPU).condition == pytest.approx(2.57, abs=0.01)


def test_near_singular_kernel_is_refused_with_its_condition_number() -> None:
    wide = make_kernel("gaussian25", 4, 4.0)
    with pytest.raises(KernelError, match=r"condition number 8\.0\de\+03") as caught:
        make_axis(wide, 400, torch.float64, CPU)
    assert "ridge" in caught.value.hint


def test_near_singular_kernel_is_regularised_when_asked() -> None:
    axis = make_axis(make_kernel("gaussian25", 4, 4.0), 400, torch.float64, CPU, ridge=1e-3)
    a = axis.down.forward.to_dense()
    expected = torch.linalg.inv(a @ a.T + 1e-3 * torch.eye(a.shape[0], dtype=a.dtype))
    assert torch.allclose(axis.inverse_gram.forward.to_dense(), expected, atol=1e-9)
