"""A, Aᵀ and A⁺ along one axis between any two lengths, in float64, to 1e-10."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mapsr_cli.errors import KernelError
from mapsr_cli.operators import make_kernel
from mapsr_cli.operators.axis import dense_a
from mapsr_cli.operators.blocks import Blocks
from mapsr_cli.operators.resized_axis import ResizedAxis, make_profile, make_resized_axis

CPU = torch.device("cpu")
NAMES = ("bicubic", "box", "lanczos3", "gaussian9")
TOLERANCE = 1e-10


def axis(name: str, hr: int, lr: int, dtype: torch.dtype = torch.float64) -> ResizedAxis:
    return make_resized_axis(make_profile(name), hr, lr, dtype, CPU)


def imresize_bicubic(hr: int, lr: int) -> NDArray[np.float64]:
    """MATLAB's `imresize` written from its documentation: the weights of every LR pixel, one pixel at a time."""
    matrix, ratio = np.zeros((lr, hr)), hr / lr
    for i in range(lr):
        centre = (i + 0.5) * ratio - 0.5
        weights = {}
        for j in range(math.floor(centre - 2 * ratio) - 1, math.ceil(centre + 2 * ratio) + 2):
            t = abs(j - centre) / ratio
            weight = 1.5 * t**3 - 2.5 * t**2 + 1 if t <= 1 else -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2 if t < 2 else 0.0
            weights[j] = weight
        total = sum(weights.values())
        for j, weight in weights.items():
            folded = j % (2 * hr)
            matrix[i, folded if folded < hr else 2 * hr - 1 - folded] += weight / total
    return matrix


@settings(max_examples=60, deadline=None)
@given(lr=st.integers(1, 300), ratio=st.floats(1.1, 9))
def test_bicubic_is_imresize_with_a_target_size(lr: int, ratio: float) -> None:
    hr = math.ceil(lr * ratio)
    a = axis("bicubic", hr, lr).down.forward.to_dense().numpy()
    assert np.abs(a - imresize_bicubic(hr, lr)).max() < 1e-12


@settings(max_examples=80, deadline=None)
@given(name=st.sampled_from(NAMES), lr=st.integers(1, 300), ratio=st.floats(1.1, 9))
def test_pseudoinverse(name: str, lr: int, ratio: float) -> None:
    hr = math.ceil(lr * ratio)
    try:
        made = axis(name, hr, lr)
    except KernelError:
        assert name == "gaussian9"  # a Gaussian of σ 1.6 is near-singular at small ratios
        assert ratio < 2
        return
    a, inverse = made.down.forward.to_dense(), made.inverse_gram.forward.to_dense()
    assert torch.equal(made.down.adjoint.to_dense(), a.T)
    assert (a.sum(1) - 1).abs().max() < 1e-12
    p = a.T @ inverse
    ap, pa = a @ p, p @ a
    scale = max(1.0, float(p.abs().max()))
    for residual in (ap @ a - a, (pa @ p - p) / scale, ap - ap.T, pa - pa.T, ap - torch.eye(lr, dtype=a.dtype)):
        assert residual.abs().max() < TOLERANCE
    assert (made.inverse_gram.adjoint.to_dense() - inverse.T).abs().max() == 0


@pytest.mark.parametrize("name", ["bicubic", "box", "lanczos3"])
@pytest.mark.parametrize("scale", [2, 3, 4, 8])
def test_whole_ratios_have_the_strided_kernels_weights(name: str, scale: int) -> None:
    for lr in (1, 5, 70, 131):
        a = axis(name, scale * lr, lr).down.forward.to_dense().numpy()
        assert (
            np.array_equal(a, dense_a(make_kernel(name, scale), scale * lr))
            or np.abs(a - dense_a(make_kernel(name, scale), scale * lr)).max() < 2 * np.finfo(np.float64).eps
        )


@pytest.mark.parametrize(
    ("lr", "hr", "published"),
    [(100, 110, 3.08), (100, 125, 2.10), (97, 160, 2.06), (100, 200, 2.11), (101, 237, 2.06), (90, 700, 2.06)],
)
def test_condition_is_the_measured_one(lr: int, hr: int, published: float) -> None:
    assert axis("bicubic", hr, lr).condition == pytest.approx(published, abs=0.01)


def test_a_singular_kernel_is_refused_with_its_number() -> None:
    with pytest.raises(KernelError, match=r"condition number \d\.\d+e\+0[45]"):
        axis("gaussian9", 150, 100)


def test_a_long_axis_stores_only_its_band() -> None:
    made = axis("bicubic", 3840, 1634)
    for matrix, share in ((made.down.forward, 0.03), (made.inverse_gram.forward, 0.2)):
        assert isinstance(matrix, Blocks)
        assert sum(part.weights.numel() for part in matrix.parts) < share * matrix.rows * matrix.cols
