"""Evidence that couples channels and the pixels of a block, as a codec's does."""

from dataclasses import dataclass, replace
from typing import ClassVar, Self

import torch
from torch import Tensor

from mapsr_cli.operators import Evidence

BLOCK = 4
COLOURS = torch.tensor([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]], dtype=torch.float64)
"""Luma and two differences of colours: neither orthogonal nor of equal gains."""


def cosines(n: int = BLOCK) -> Tensor:
    """The orthonormal DCT-II of n samples: [n, n]."""
    k, i = torch.arange(n, dtype=torch.float64)[:, None], torch.arange(n, dtype=torch.float64)
    basis: Tensor = torch.cos(torch.pi * k * (2 * i + 1) / (2 * n)) * (2 / n) ** 0.5
    basis[0] /= 2**0.5
    return basis


@dataclass(frozen=True, eq=False)
class QuantisedBlocks(Evidence):
    """Each coefficient of each whole block of each colour difference rounds to a multiple of `step`, as x's does.

    x [..., 3, h, w] lies in the middle of its cells.
    """

    couples_channels: ClassVar[bool] = True

    step: float
    margin: float = 0.0

    @property
    def block(self) -> int:
        return BLOCK

    def nearest(self, ay: Tensor) -> Tensor:
        c = self.coordinates(ay - self.x)
        return ay + self.lift(torch.clamp(c, *self.tolerance()) - c)

    def tolerance(self) -> tuple[Tensor, Tensor]:
        high = torch.full_like(self.x, self.step / 2 - self.margin)
        rows, cols = (n - n % BLOCK for n in self.x.shape[-2:])
        high[..., rows:, :], high[..., cols:] = torch.inf, torch.inf
        return -high, high

    def describe(self) -> str:
        return f"coefficients of A y round to multiples of {self.step}"

    def shrunk(self, by: float) -> Self:
        return replace(self, margin=self.margin + by)

    def coordinates(self, v: Tensor) -> Tensor:
        return _blockwise(v, COLOURS, cosines())

    def coordinates_adjoint(self, c: Tensor) -> Tensor:
        return _blockwise(c, COLOURS.T, cosines().T)

    def lift(self, c: Tensor) -> Tensor:
        return _blockwise(c, COLOURS.inverse(), cosines().T)

    def lift_adjoint(self, v: Tensor) -> Tensor:
        return _blockwise(v, COLOURS.inverse().T, cosines())


def quantised(x: Tensor, step: float) -> QuantisedBlocks:
    """What an x [3, h, w] stored so says; samples beyond the last whole block are left alone."""
    plain = QuantisedBlocks(x, step)
    c = plain.coordinates(x)
    return QuantisedBlocks(x + plain.lift((c / step).round() * step - c), step)


def _blockwise(v: Tensor, colours: Tensor, basis: Tensor) -> Tensor:
    """Apply two matrices across channels, and across rows and columns of whole blocks; 0 elsewhere."""
    rows, cols = (n // BLOCK for n in v.shape[-2:])
    blocks = v[..., : rows * BLOCK, : cols * BLOCK].reshape(*v.shape[:-2], rows, BLOCK, cols, BLOCK)
    c, b = colours.to(v), basis.to(v)
    mixed = torch.einsum("kc,ui,vj,...cminj->...kmunv", c, b, b, blocks)
    out = torch.zeros_like(v)
    out[..., : rows * BLOCK, : cols * BLOCK] = mixed.reshape(*v.shape[:-2], rows * BLOCK, cols * BLOCK)
    return out
