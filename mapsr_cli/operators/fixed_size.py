"""A of a measured kernel for many images of one size, as training has them: (AAᵀ)⁻¹ is one matrix, made once.

Conjugate gradients take as long as 10 … 100 applications of A for every batch; the matrix, made in float64, takes less
than one, and its error is theirs.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.operators.base import Downsampling
from mapsr_cli.operators.convolved import (
    ConvolvedDownsampling,
    apply_linear,
    build_convolved,
    convolved_downsampling,
)
from mapsr_cli.operators.psf import Psf

MOST_PIXELS = 64 * 64
"""LR pixels of an image up to which the matrix is made: 64 MiB in float32."""


@dataclass(frozen=True, eq=False)
class FixedDownsampling(Downsampling):
    """A as another operator applies it, with (AAᵀ)⁻¹ as a matrix."""

    _operator: ConvolvedDownsampling
    _inverse: Tensor  # [h·w, h·w], symmetric

    @property
    def hr_size(self) -> tuple[int, int]:
        """(H, W) of the HR image."""
        return self._operator.hr_size

    @property
    def lr_size(self) -> tuple[int, int]:
        """(h, w) of the LR image."""
        return self._operator.lr_size

    @property
    def condition(self) -> float:
        """Condition number of AAᵀ."""
        return self._operator.condition

    def down(self, y: Tensor) -> Tensor:
        """Apply A: y [..., H, W] → [..., h, w]."""
        return apply_linear(self._down, self._operator.adjoint, y)

    def adjoint(self, r: Tensor) -> Tensor:
        """Apply Aᵀ: r [..., h, w] → [..., H, W]."""
        return apply_linear(self._operator.adjoint, self._down, r)

    def inverse_gram(self, r: Tensor) -> Tensor:
        """Apply (AAᵀ)⁻¹: r [..., h, w] → [..., h, w]."""
        return apply_linear(self._solve, self._solve, r)

    def _down(self, y: Tensor) -> Tensor:
        """Convolve each image, all at once: several times faster than by phases, but strips would differ in bits."""
        images = self._operator.extended(y).flatten(0, -3)
        weights = self._operator.taps.expand(len(images), 1, -1, -1)
        x = functional.conv2d(images[None], weights, stride=int(self.kernel.scale), groups=len(images))
        return x.view(*y.shape[:-2], *self.lr_size)

    def _solve(self, r: Tensor) -> Tensor:
        return (r.flatten(-2) @ self._inverse).view_as(r)


@lru_cache(maxsize=4)
@torch.inference_mode(False)  # cached: later callers may differentiate
def fixed_downsampling(kernel: Psf, hr_size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Downsampling:
    """Build A for many images of `hr_size`; with conjugate gradients where the matrix would be too large.

    Cached. Raises as `downsampling`.
    """
    operator = convolved_downsampling(kernel, hr_size, dtype, device, 0.0)
    if operator.lr_size[0] * operator.lr_size[1] > MOST_PIXELS:
        return operator
    exact = build_convolved(kernel, hr_size, torch.float64, torch.device("cpu"))
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(gram(exact)))
    return FixedDownsampling(kernel, 0.0, operator, inverse.to(device, dtype))


def gram(operator: ConvolvedDownsampling) -> Tensor:
    """Compute AAᵀ [h·w, h·w], row of LR pixels by row: a row's Aᵀ has few rows, and meets those near it alone."""
    height, width = operator.lr_size
    reads = [operator.reads(slice(row, row + 1)) for row in range(height)]
    product = torch.zeros(height, width, height, width, dtype=operator.dtype)
    pictures: list[Tensor] = []  # of each row's pixels: [w, HR rows that they read, W]
    for row, seen in enumerate(reads):
        points = torch.zeros(width, height, width, dtype=operator.dtype)
        points[:, row] = torch.eye(width, dtype=operator.dtype)
        pictures.append(operator.adjoint_rows(seen, points))
        for other in range(row + 1):
            common = slice(max(seen.start, reads[other].start), min(seen.stop, reads[other].stop))
            if common.start < common.stop:
                mine, theirs = (_part(operator, pictures[k], reads[k], common) for k in (row, other))
                product[row, :, other] = mine @ theirs.T
                product[other, :, row] = product[row, :, other].T
    return product.view(height * width, height * width)


def _part(operator: ConvolvedDownsampling, picture: Tensor, seen: slice, common: slice) -> Tensor:
    """Return the HR rows of LR rows `common` of a picture that begins with LR rows `seen`: [w, pixels]."""
    rows, origin = operator.hr(common), operator.hr(seen).start
    return picture[:, rows.start - origin : rows.stop - origin].flatten(1)
