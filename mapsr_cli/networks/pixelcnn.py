"""What comes before each pixel, in raster order, as a vector of features (Oord et al., 2016)."""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.configs import Count


@dataclass(frozen=True)
class PixelCnnConfig:
    """Sizes and options of a PixelCnn."""

    colours: Count = 3
    """Image channels."""
    kernels: tuple[tuple[int, int], ...] = ((7, 7), (5, 5), (5, 5), (5, 5))
    """(height, width) of each layer's kernel, odd; the mask covers what does not come before."""
    channels: Count = 64
    """Feature maps of every layer."""

    def __post_init__(self) -> None:
        if not self.kernels or any(n < 1 or n % 2 == 0 for size in self.kernels for n in size):
            raise ValueError(f"kernel sizes must be odd, not {self.kernels}")


class MaskedConvolution(nn.Module):
    """A convolution that reads earlier pixels only: rows above, and pixels to the left in its own row.

    Mask A leaves out the pixel itself (all of its colours); mask B reads it. The rows below, which every mask covers,
    are neither stored nor computed: the weight is [outputs, inputs, height // 2 + 1, width].
    """

    mask: Tensor

    def __init__(self, inputs: int, outputs: int, size: tuple[int, int], *, reads_itself: bool) -> None:
        super().__init__()
        above, left = size[0] // 2, size[1] // 2
        # Before anything is written: who builds networks from other people's headers counts parameters.
        self.weight = nn.Parameter(torch.empty(outputs, inputs, above + 1, size[1]))
        mask = torch.ones(above + 1, size[1])
        mask[-1, left + reads_itself :] = 0
        self.register_buffer("mask", mask, persistent=False)
        self.bias = nn.Parameter(torch.zeros(outputs))
        read = max(inputs * (above * size[1] + left + reads_itself), 1)
        nn.init.normal_(self.weight, std=math.sqrt(2 / read))

    def forward(self, h: Tensor) -> Tensor:
        """Map [N, inputs, H, W] to [N, outputs, H, W]."""
        above, left = self.mask.shape[0] - 1, self.mask.shape[1] // 2
        out = functional.conv2d(h, self.weight * self.mask, self.bias, padding=(above, left))
        return out.narrow(2, 0, h.shape[2])  # padding below, which conv2d adds as well, only makes rows past the end


class PixelCnn(nn.Module):
    """Values [N, colours, H, W] → features [N, channels, H, W]; those at a pixel depend on earlier pixels only.

    Four layers of 64 maps, kernels 7, 5, 5, 5, are the paper's (Appendix D). Chosen here: each layer after the first
    adds to its input, h + conv(relu(h)), as Oord et al.'s are residual, so that the likelihood, which reads features
    linearly and squared, can predict from the 7×7 neighbourhood at once; no batch normalisation, under which a pixel's
    density would depend on later pixels and on the rest of the batch; a map of ones beside the input, so that what lies
    outside the image can be told from values of zero. Plain masked kernels: the region above and to the right that they
    do not reach (a blind spot) is left as it is.
    """

    def __init__(self, config: PixelCnnConfig) -> None:
        super().__init__()
        self.config = config
        widths = (config.colours + 1, *(config.channels for _ in config.kernels))
        self.layers = nn.ModuleList(
            MaskedConvolution(a, b, size, reads_itself=depth > 0)
            for depth, ((a, b), size) in enumerate(zip(pairwise(widths), config.kernels, strict=True))
        )

    def forward(self, values: Tensor) -> Tensor:
        """Map [N, colours, H, W] to [N, channels, H, W]."""
        first, *deeper = self.layers
        h: Tensor = first(functional.pad(values, (0, 0, 0, 0, 0, 1), value=1.0))  # the map of ones
        for layer in deeper:
            h = h + layer(functional.relu(h))
        return h
