"""What is said about a fitted A⁺."""

import pytest
import torch

from mapsr_cli.operators import ConvPinv, downsampling, examine, make_kernel, random_kernels, solve_pinv
from mapsr_cli.operators.pinv_report import penrose_residuals
from tests.psfs import comet_kernel


def test_penrose_residuals_are_the_norms_of_the_whole_matrices() -> None:
    torch.manual_seed(0)
    a, b = torch.randn(6, 20, dtype=torch.float64), torch.randn(20, 6, dtype=torch.float64)
    pairs = ((a @ b @ a, a), (b @ a @ b, b), ((a @ b).T, a @ b), ((b @ a).T, b @ a))
    expected = [float((product - target).norm() / target.norm()) for product, target in pairs]
    assert penrose_residuals(a, b) == pytest.approx(expected, rel=1e-12)


def test_the_moore_penrose_inverse_has_none() -> None:
    torch.manual_seed(0)
    a = torch.randn(6, 20, dtype=torch.float64)
    assert max(penrose_residuals(a, torch.linalg.pinv(a))) < 1e-14


def test_a_one_sided_inverse_has_one() -> None:
    """AB = I leaves BA free to be an oblique projection: ℓ1 + ℓ2 = 0 does not make B the Moore–Penrose inverse."""
    report = examine(make_kernel("gaussian8", 4), solve_pinv(make_kernel("gaussian8", 4), 5))
    assert report.total < 1e-20
    assert max(report.penrose[:3]) < 1e-12
    assert report.penrose[3] > 0.01


@pytest.mark.parametrize(("name", "at_border"), [("gaussian8", False), ("bicubic", False), ("gaussian9", True)])
def test_borders_cost_only_what_lies_off_centre(name: str, at_border: bool) -> None:
    """Symmetric extension and a kernel that is symmetric about the LR pixel go together; gaussian9's is half a pixel
    off at stride 4."""
    kernel = make_kernel(name, 4)
    report = examine(kernel, solve_pinv(kernel, 5))
    assert report.interior_mse < 1e-20
    assert (report.border_mse > 1e-7) == at_border


@pytest.mark.parametrize("kernel", [make_kernel("gaussian9", 4), comet_kernel(3)], ids=lambda k: k.name)
def test_mean_squares_are_those_of_white_noise(kernel) -> None:  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    b = ConvPinv(random_kernels(kernel.scale, 3, dtype=torch.float64))
    report = examine(kernel, b)
    margin = kernel.border_width + 1
    side = 2 * margin + 8
    op = downsampling(kernel, (side * kernel.scale, side * kernel.scale), torch.float64)
    x = torch.randn(1500, side, side, dtype=torch.float64)
    off = (x - op.down(b.pinv(x))).square().mean(0)
    inside = off[margin : side - margin, margin : side - margin]
    assert float(inside.mean()) == pytest.approx(report.interior_mse, rel=0.05)
    border = (off.sum() - inside.sum()) / (off.numel() - inside.numel())
    assert float(border) == pytest.approx(report.border_mse, rel=0.05)


def test_condition_is_the_published_one() -> None:
    kernel = make_kernel("gaussian9", 4)
    assert examine(kernel, solve_pinv(kernel, 1)).condition == pytest.approx(2.57, abs=0.01)
