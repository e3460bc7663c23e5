import pytest
import torch
from torch import Tensor

from mapsr_cli.networks.pixelcnn import MaskedConvolution, PixelCnn, PixelCnnConfig

CONFIG = PixelCnnConfig(colours=2, kernels=((5, 5), (3, 3), (3, 3)), channels=6)
Offset = tuple[int, int]


def reached(kernels: tuple[tuple[int, int], ...]) -> set[Offset]:
    """Offsets (rows, columns) from a pixel to those its features depend on, by adding up the masks' offsets."""
    seen: set[Offset] = {(0, 0)}
    for depth, (height, width) in enumerate(kernels):
        rows, columns = range(-(height // 2), 1), range(-(width // 2), width // 2 + 1)
        mask = {(r, c) for r in rows for c in columns if r < 0 or c < 0 or (r == c == 0 and depth > 0)}
        seen = {(a + r, b + c) for a, b in seen for r, c in mask}
    return seen


def test_weights_are_those_of_a_masked_square_kernel() -> None:
    torch.manual_seed(0)
    layer = MaskedConvolution(2, 3, (5, 7), reads_itself=True).double()
    square = torch.zeros(3, 2, 5, 7, dtype=torch.float64)
    square[:, :, :3] = layer.weight.detach()
    square[:, :, 2, 4:] = 0
    h = torch.randn(1, 2, 9, 8, dtype=torch.float64)
    assert torch.allclose(layer(h), torch.conv2d(h, square, layer.bias, padding=(2, 3)), atol=1e-12)


@pytest.mark.parametrize("pixel", [(0, 0), (0, 5), (4, 3), (8, 8), (5, 0)])
def test_features_see_every_earlier_pixel_in_reach_and_no_other(pixel: tuple[int, int]) -> None:
    torch.manual_seed(0)
    network = PixelCnn(CONFIG).double()
    y = torch.randn(1, 2, 9, 9, dtype=torch.float64, requires_grad=True)
    row, col = pixel
    features = network(y)[0, :, row, col]
    (by,) = torch.autograd.grad(features.square().sum(), y)
    expected = torch.zeros(9, 9, dtype=torch.bool)
    for down, right in reached(CONFIG.kernels):
        if 0 <= row + down < 9 and 0 <= col + right < 9:
            expected[row + down, col + right] = True
    for colour in range(2):
        assert torch.equal(by[0, colour] != 0, expected)


def test_outside_is_not_taken_for_zero() -> None:
    """The first two pixels of an image of zeros have different features: one has a neighbour."""
    torch.manual_seed(0)
    h: Tensor = PixelCnn(PixelCnnConfig(colours=1, kernels=((1, 3), (1, 1)), channels=8))(torch.zeros(1, 1, 1, 2))
    assert not torch.allclose(h[..., 0], h[..., 1])


@pytest.mark.parametrize("kernels", [(), ((4, 5),), ((3, 0),)])
def test_kernels_have_a_centre(kernels: tuple[tuple[int, int], ...]) -> None:
    with pytest.raises(ValueError, match="odd"):
        PixelCnnConfig(kernels=kernels)
