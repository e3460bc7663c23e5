"""A, Aᵀ, A⁺ and Π of a separable kernel, built from two axes."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mapsr_cli.operators.axis import Axis, make_axis
from mapsr_cli.operators.banded import AxisMap
from mapsr_cli.operators.base import Downsampling
from mapsr_cli.operators.kernels import SeparableKernel
from mapsr_cli.operators.resized_axis import ResizedAxis, make_resized_axis
from mapsr_cli.operators.resizing import ResizingKernel

SOLVED = 256
"""Rows or columns to which (AAᵀ)⁻¹ is applied at once, at least, where it is applied in place."""


def _along_both(rows: AxisMap, cols: AxisMap, x: Tensor, base: Tensor | None = None) -> Tensor:
    """Compute rows · x · colsᵀ (+ base).

    Widths go first when growing, heights when shrinking: the long pass is then along rows of contiguous pixels, which
    needs no transposed copy.
    """
    if rows.forward.rows >= rows.forward.cols:
        return rows(_transposed(cols(_transposed(x))), base)
    y = cols(_transposed(rows(x)), None if base is None else _transposed(base))
    return _transposed(y).clone(memory_format=torch.contiguous_format)


def _transposed(x: Tensor) -> Tensor:
    return x.transpose(-1, -2)


@dataclass(frozen=True, eq=False)
class SeparableDownsampling(Downsampling):
    """A = A_h ⊗ A_w, exact along each axis."""

    kernel: SeparableKernel | ResizingKernel
    _rows: Axis | ResizedAxis
    _cols: Axis | ResizedAxis

    @property
    def hr_size(self) -> tuple[int, int]:
        """(H, W) of the HR image."""
        return self._rows.down.forward.cols, self._cols.down.forward.cols

    @property
    def lr_size(self) -> tuple[int, int]:
        """(h, w) of the LR image."""
        return self._rows.down.forward.rows, self._cols.down.forward.rows

    @property
    def condition(self) -> float:
        """The larger of the two axes' condition numbers of AAᵀ."""
        return max(self._rows.condition, self._cols.condition)

    def down(self, y: Tensor) -> Tensor:
        """Apply A: y [..., H, W] → [..., h, w]."""
        return _along_both(self._rows.down, self._cols.down, y)

    def adjoint(self, r: Tensor) -> Tensor:
        """Apply Aᵀ: r [..., h, w] → [..., H, W]."""
        return _along_both(self._rows.down.T, self._cols.down.T, r)

    def inverse_gram(self, r: Tensor) -> Tensor:
        """Apply (AAᵀ)⁻¹: r [..., h, w] → [..., h, w]."""
        return _along_both(self._rows.inverse_gram, self._cols.inverse_gram, r)

    def invert_gram(self, r: Tensor) -> None:
        """Put (AAᵀ)⁻¹ r in the place of r [C, h, w], in little memory. No autograd."""
        for plane in r:
            for rows in plane.tensor_split(max(plane.shape[0] // SOLVED, 1), 0):
                rows.copy_(_transposed(self._cols.inverse_gram(_transposed(rows))))
            for cols in plane.tensor_split(max(plane.shape[1] // SOLVED, 1), 1):
                cols.copy_(self._rows.inverse_gram(_transposed(_transposed(cols).contiguous())))

    def project(self, f: Tensor, x: Tensor) -> Tensor:
        """Project f [..., H, W] onto {y : A y = x}, x [..., h, w]: the nearest point Π f = f + A⁺(x − A f), eqn (7)."""
        correction = self.inverse_gram(x - self.down(f))
        return _along_both(self._rows.down.T, self._cols.down.T, correction, base=f)


def resizing(kernel: ResizingKernel, dtype: torch.dtype, device: torch.device, ridge: float) -> SeparableDownsampling:
    """Build A between the kernel's two sizes; see `downsampling`. `ridge` is added to AAᵀ of each axis."""
    rows, cols = (
        make_resized_axis(kernel.profile, large, small, dtype, device, ridge)
        for large, small in zip(kernel.large, kernel.small, strict=True)
    )
    return SeparableDownsampling(kernel, ridge, rows, cols)


def separable_downsampling(
    kernel: SeparableKernel, hr_size: tuple[int, int], dtype: torch.dtype, device: torch.device, ridge: float
) -> SeparableDownsampling:
    """Build A for HR images of `hr_size`; see `downsampling`. `ridge` is added to AAᵀ of each axis."""
    rows, cols = (make_axis(kernel, n, dtype, device, ridge) for n in hr_size)
    return SeparableDownsampling(kernel, ridge, rows, cols)
