"""The figures that the field publishes, from the field's test sets, where they are at hand."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from mapsr_cli.evaluation.protocol import mean_psnr_y, pairs
from mapsr_cli.operators import downsampling, make_kernel
from mapsr_cli.operators.axis import dense_a
from mapsr_cli.operators.kernels import cubic
from tests.pictures import save, scene

EVAL = Path(__file__).parents[3] / "shared" / "data" / "eval"
BICUBIC = make_kernel("bicubic", 4)
at_hand = pytest.mark.skipif(not EVAL.is_dir(), reason="the test sets lie beside a developer's checkout only")


def bicubic_upsampling(lr: Tensor) -> Tensor:
    """MATLAB's imresize(lr, 4): cubic interpolation, symmetric border, rounded to 8 bits by the protocol."""

    def matrix(n: int) -> Tensor:
        m = torch.zeros(4 * n, n, dtype=lr.dtype)
        for i in range(4 * n):
            centre = (i + 0.5) / 4 - 0.5
            for j in range(int(centre // 1) - 1, int(centre // 1) + 3):
                k = j % (2 * n)
                m[i, min(k, 2 * n - 1 - k)] += cubic(j - centre)
        return m

    return matrix(lr.shape[-2]) @ lr @ matrix(lr.shape[-1]).T


@at_hand
@pytest.mark.parametrize(("folder", "published"), [("Set5", 28.43), ("Set14", 26.09)])
def test_bicubic_figures_are_the_published_ones(folder: str, published: float) -> None:
    assert mean_psnr_y(bicubic_upsampling, EVAL / folder, BICUBIC) == pytest.approx(published, abs=0.025)


@at_hand
def test_the_pseudoinverse_alone() -> None:
    def pinv(lr: Tensor) -> Tensor:
        return downsampling(BICUBIC, (4 * lr.shape[-2], 4 * lr.shape[-1])).pinv(lr)

    assert mean_psnr_y(pinv, EVAL / "Set5", BICUBIC) == pytest.approx(29.24, abs=0.02)


def test_pairs_are_cropped_to_the_scale_and_rounded(tmp_path: Path) -> None:
    save(scene(43, 30), tmp_path / "a.png")
    ((name, hr, lr),) = pairs(tmp_path, BICUBIC)
    assert name == "a"
    assert hr.shape == (3, 40, 28)
    assert lr.shape == (3, 10, 7)
    assert torch.allclose(255 * lr, (255 * lr).round(), atol=1e-4)
    rows, cols = (torch.from_numpy(dense_a(BICUBIC, n)).float() for n in (40, 28))
    assert ((rows @ hr @ cols.T).clamp(0, 1) - lr).abs().max() < 0.51 / 255
