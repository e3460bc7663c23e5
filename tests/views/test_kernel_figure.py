"""The pictures of A and A⁺ show what is there."""

import numpy as np
import pytest
import torch

from mapsr_cli.operators import ConvPinv, Kernel, make_kernel, random_kernels, solve_pinv
from mapsr_cli.views.kernel_figure import LEFT, PANEL, TOP, draw_kernels, impulse_response
from tests.psfs import comet_kernel


def test_the_response_is_what_one_lr_pixel_becomes() -> None:
    b = ConvPinv(random_kernels(3, 4, torch.Generator().manual_seed(0), torch.float64))
    x = torch.zeros(11, 11, dtype=torch.float64)
    x[5, 5] = 1.0
    response, (row, col) = impulse_response(b)
    y = b.pinv(x).numpy()
    at = 15 + row, 15 + col
    assert np.array_equal(y[at[0] : at[0] + 12, at[1] : at[1] + 12], response)
    assert np.count_nonzero(y) == response.size


@pytest.mark.parametrize(
    "kernel",
    [make_kernel("gaussian9", 4), make_kernel("gaussian1", 8), make_kernel("lanczos3", 8), comet_kernel(2)],
    ids=lambda k: k.name,
)
def test_every_kernel_can_be_drawn(kernel: Kernel) -> None:
    picture = draw_kernels(kernel, solve_pinv(kernel, 3))
    assert picture.dtype == torch.uint8
    assert picture.shape[0] == 3
    frame = torch.cat([picture[:, 0].flatten(), picture[:, -1].flatten(), picture[..., 0].flatten()])
    assert (frame == 255).all()  # nothing is drawn over the edge


def test_the_largest_weight_is_the_darkest_cell() -> None:
    """gaussian9's middle: cell 4 of 9."""
    picture = draw_kernels(make_kernel("gaussian9", 4), ConvPinv(torch.ones(16, 1, 1))).int()
    cell = PANEL // 9
    panel = picture[:, TOP : TOP + 9 * cell, LEFT : LEFT + 9 * cell]
    middles = panel[:, cell // 2 :: cell, cell // 2 :: cell].sum(0)
    assert middles.shape == (9, 9)
    assert int(middles.argmin()) == 4 * 9 + 4
    assert torch.equal(middles, middles.T)


def test_a_name_that_the_font_cannot_show_is_drawn_all_the_same() -> None:
    kernel = comet_kernel(2)
    renamed = type(kernel)("file:пункт.npy", kernel.scale, kernel.taps, kernel.first)
    assert draw_kernels(renamed, solve_pinv(renamed, 1)).shape[0] == 3
