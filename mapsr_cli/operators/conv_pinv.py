"""The paper's A⁺: a convolution of the LR image with scale² kernels, and a pixel shuffle (Appendix B)."""

from dataclasses import dataclass
from math import isqrt

import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.errors import UsageError
from mapsr_cli.operators.border import make_border
from mapsr_cli.operators.precision import exact_products


@dataclass(frozen=True, eq=False)
class ConvPinv:
    """B in place of A⁺: the same for every channel, differentiable in the image and in the kernels.

    HR pixel (s·i + p, s·j + q) is Σ kernels[s·p + q, u, v] · x[i + u − (k−1)//2, j + v − (k−1)//2], with a symmetric
    (half-sample reflecting) border.
    """

    kernels: Tensor
    """[s², k, k], one per phase of the HR image."""

    def __post_init__(self) -> None:
        if self.kernels.dim() != 3 or isqrt(len(self.kernels)) ** 2 != len(self.kernels) or 0 in self.kernels.shape:
            raise UsageError(f"A⁺ takes kernels [scale², k, k], not {list(self.kernels.shape)}")
        if self.kernels.shape[1] != self.kernels.shape[2]:
            raise UsageError(f"A⁺ takes square kernels, not {self.kernels.shape[1]}×{self.kernels.shape[2]}")

    @property
    def scale(self) -> int:
        """HR pixels per LR pixel."""
        return isqrt(len(self.kernels))

    @property
    def taps(self) -> int:
        """LR pixels a side that an HR pixel depends on."""
        return self.kernels.shape[-1]

    def pinv(self, x: Tensor) -> Tensor:
        """Apply B: x [..., h, w] → [..., s·h, s·w], each leading index an independent plane; computes in x's dtype."""
        before, after = (self.taps - 1) // 2, self.taps // 2
        rows, cols = (make_border(n, before, after, x.device) for n in x.shape[-2:])
        with exact_products(x.device):
            extended = cols.extend(rows.extend(x.reshape(-1, 1, *x.shape[-2:]), -2), -1)
            phases = functional.conv2d(extended, self.kernels[:, None].to(x.dtype))
        y = functional.pixel_shuffle(phases, self.scale)
        return y.reshape(*x.shape[:-2], *y.shape[-2:])


def random_kernels(
    scale: int, taps: int, generator: torch.Generator | None = None, dtype: torch.dtype = torch.float32
) -> Tensor:
    """Draw kernels [scale², taps, taps] from N(0, 1/taps²): B of white noise then has the noise's variance."""
    return torch.randn(scale**2, taps, taps, generator=generator, dtype=dtype) / taps
