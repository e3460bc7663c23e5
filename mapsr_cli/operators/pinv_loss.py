"""ℓ1 and ℓ2 of a convolution B in place of A⁺ (eqns 21 and 22): on random images, and their expectations.

Both are computed inside the image, away from its border: the images drawn are larger than what is compared. They are
mean squared differences, ℓ1 per LR pixel and ℓ2 per HR pixel, so the image's size plays no part.
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.operators.polyphase import Polyphase


@dataclass(frozen=True, eq=False)
class PinvLoss:
    """ℓ1 and ℓ2 for kernels [scale², taps, taps], float64."""

    a: Polyphase
    taps: int

    @property
    def span(self) -> tuple[int, int]:
        """Rows and columns of AB's taps: AB is a convolution on the LR grid."""
        _, rows, cols = self.a.weights.shape
        return rows + self.taps - 1, cols + self.taps - 1

    @property
    def centre(self) -> tuple[int, int]:
        """The tap of AB that is one if AB = I; all others are zero then."""
        before = (self.taps - 1) // 2
        return self.a.before[0] + before, self.a.before[1] + before

    def sampled_l1(self, kernels: Tensor, batch: int, side: int, generator: torch.Generator) -> Tensor:
        """Compute ‖Ay − ABAy‖² per LR pixel, eqn (21), on `batch` normal HR images, over side × side pixels."""
        phases, rows, cols = self.a.weights.shape
        height, width = (side + n - 1 for n in self.span)
        y = self._normal(batch, phases, height + rows - 1, width + cols - 1, generator)
        return self._difference(self._down(y), kernels).square().mean()

    def sampled_l2(self, kernels: Tensor, batch: int, side: int, generator: torch.Generator) -> Tensor:
        """Compute ‖Bx − BABx‖² per HR pixel, eqn (22), on `batch` normal LR images, over side × side pixels."""
        height, width = (side + self.taps - 1 + n - 1 for n in self.span)
        x = self._normal(batch, 1, height, width, generator)
        return functional.conv2d(self._difference(x, kernels), kernels[:, None]).square().mean()

    def expected(self, kernels: Tensor) -> tuple[Tensor, Tensor]:
        """Compute (ℓ1, ℓ2) as expectations over normal images.

        E (M y)² at a pixel is the squared norm of that pixel's row of M, here the taps of A − ABA or B − BAB.
        """
        off = self.identity() - self.composed(kernels)
        return _full(self.a.weights, off).square().sum(), _full(kernels, off).square().sum() / len(kernels)

    def inconsistency(self, kernels: Tensor) -> Tensor:
        """Compute E (x − ABx)² at an LR pixel, over normal LR images x."""
        return (self.identity() - self.composed(kernels)).square().sum()

    def composed(self, kernels: Tensor) -> Tensor:
        """Compute the taps of AB."""
        _, rows, cols = self.a.weights.shape
        padded = functional.pad(kernels[None], (cols - 1, cols - 1, rows - 1, rows - 1))
        return functional.conv2d(padded, self.a.weights.flip(-2, -1)[None])[0, 0]

    def identity(self) -> Tensor:
        """Return the taps of I."""
        taps = torch.zeros(self.span, dtype=torch.float64)
        taps[self.centre] = 1.0
        return taps

    def matrix(self) -> Tensor:
        """Build `composed` as a linear map of the kernels: [taps of AB, scale² · taps²]."""
        phases, rows, cols = self.a.weights.shape
        matrix = torch.zeros(*self.span, phases, self.taps, self.taps, dtype=torch.float64)
        for i in range(self.taps):
            for j in range(self.taps):
                matrix[i : i + rows, j : j + cols, :, i, j] = self.a.weights.permute(1, 2, 0)
        return matrix.flatten(2).flatten(0, 1)

    def _normal(self, batch: int, channels: int, height: int, width: int, generator: torch.Generator) -> Tensor:
        return torch.randn(batch, channels, height, width, generator=generator, dtype=torch.float64)

    def _down(self, phases: Tensor) -> Tensor:
        return functional.conv2d(phases, self.a.weights[None])

    def _difference(self, x: Tensor, kernels: Tensor) -> Tensor:
        """Compute x − ABx: [N, 1, h, w] → [N, 1, h − rows of AB + 1, …]."""
        abx = self._down(functional.conv2d(x, kernels[:, None]))
        (top, left), (height, width) = self.centre, abx.shape[-2:]
        return x[..., top : top + height, left : left + width] - abx


def _full(images: Tensor, taps: Tensor) -> Tensor:
    """Convolve each image [n, h, w] with the taps; the result is larger by them."""
    rows, cols = taps.shape
    padded = functional.pad(images[:, None], (cols - 1, cols - 1, rows - 1, rows - 1))
    return functional.conv2d(padded, taps.flip(0, 1)[None, None])
