import pytest
import torch
from torch.nn import functional

from mapsr_cli.operators import Kernel, downsampling, make_kernel
from mapsr_cli.operators.kernels import SCALES
from mapsr_cli.operators.polyphase import interleaved, polyphase
from tests.psfs import comet_kernel


@pytest.mark.parametrize(
    "kernel",
    [make_kernel(name, scale) for name in ("gaussian9", "bicubic", "box", "gaussian1") for scale in SCALES]
    + [comet_kernel(scale) for scale in SCALES],
    ids=lambda k: f"{k.name}-x{k.scale}",
)
def test_a_convolution_of_the_phases_is_a_away_from_borders(kernel: Kernel) -> None:
    a = polyphase(kernel)
    n = 20
    y = torch.randn(1, n * kernel.scale, n * kernel.scale, dtype=torch.float64)
    x = functional.conv2d(functional.pixel_unshuffle(y[None], kernel.scale), a.weights[None])[0, 0]
    (top, left), (bottom, right) = a.before, a.after
    expected = downsampling(kernel, (y.shape[1], y.shape[2]), torch.float64).down(y)[0]
    assert torch.allclose(x, expected[top : n - bottom, left : n - right], atol=1e-14)


@pytest.mark.parametrize("scale", [2, 3])
def test_interleaving_is_a_pixel_shuffle(scale: int) -> None:
    phases = torch.rand(5, scale**2, 4, 7)
    assert torch.equal(interleaved(phases, scale), torch.nn.functional.pixel_shuffle(phases, scale))
