"""A in a window, Aᵀ, and (AAᵀ + I/μ)⁻¹, for many windows at once. A window is small: its inverse can be dense."""

from typing import Protocol

import torch
from torch import Tensor

from mapsr_cli.operators.axis import dense_a
from mapsr_cli.operators.convolved import build_convolved, spectrum, units
from mapsr_cli.operators.kernels import Kernel, SeparableKernel
from mapsr_cli.operators.psf import Psf

FREQUENCIES = 64
"""LR frequencies a side at which AAᵀ's largest eigenvalue is looked for."""


class WindowMap(Protocol):
    """A of windows [B, H, W] → [B, h, w], reflecting at the window's edges."""

    softness: float
    """1/μ."""
    step_cost: Tensor
    """[H, W] half the squared norm of A's column of each pixel."""

    def down(self, y: Tensor) -> Tensor:
        """A y: [B, H, W] → [B, h, w]."""

    def adjoint(self, r: Tensor, base: Tensor | None = None) -> Tensor:
        """Aᵀ r (+ base): [B, h, w] → [B, H, W]."""

    def precondition(self, r: Tensor) -> Tensor:
        """(AAᵀ + I/μ)⁻¹ r: [B, h, w] → [B, h, w]."""


class SeparableWindow:
    """Everything through the two axes, and through their eigenvectors."""

    def __init__(
        self, kernel: SeparableKernel, size: tuple[int, int], soft: float, dtype: torch.dtype, device: torch.device
    ) -> None:
        rows, cols = (torch.from_numpy(dense_a(kernel, n * kernel.scale)) for n in size)
        height_values, height_vectors = torch.linalg.eigh(rows @ rows.T)
        width_values, width_vectors = torch.linalg.eigh(cols @ cols.T)
        values = height_values[:, None] * width_values[None, :]
        self.softness = soft * values.max().item()

        def placed(t: Tensor) -> Tensor:
            return t.to(device, dtype)

        self.rows, self.cols = placed(rows), placed(cols)
        self.height_vectors, self.width_vectors = placed(height_vectors), placed(width_vectors)
        self.damped = placed(1 / (values + self.softness))
        self.step_cost = placed(0.5 * rows.square().sum(0)[:, None] * cols.square().sum(0)[None, :])

    def down(self, y: Tensor) -> Tensor:
        """A y."""
        return self.rows @ y @ self.cols.T

    def adjoint(self, r: Tensor, base: Tensor | None = None) -> Tensor:
        """Aᵀ r (+ base)."""
        grown = self.rows.T @ r
        return grown @ self.cols if base is None else torch.baddbmm(base, grown, self.cols.expand(len(r), -1, -1))

    def precondition(self, r: Tensor) -> Tensor:
        """(AAᵀ + I/μ)⁻¹ r."""
        u, v = self.height_vectors, self.width_vectors
        damped: Tensor = self.damped * (u.T @ r @ v)
        return u @ damped @ v.T


class ConvolvedWindow:
    """A by convolution, the inverse as one matrix."""

    def __init__(
        self, kernel: Psf, size: tuple[int, int], soft: float, dtype: torch.dtype, device: torch.device
    ) -> None:
        hr_size = (size[0] * kernel.scale, size[1] * kernel.scale)
        self.softness = soft * spectrum(kernel, FREQUENCIES, FREQUENCIES).max().item()
        exact = build_convolved(kernel, hr_size, torch.float64, torch.device("cpu"))
        gram, norms = [], torch.zeros(hr_size, dtype=torch.float64)
        for part in units(size):
            columns = exact.adjoint(part)
            gram.append(exact.down(columns).flatten(1))
            norms += columns.square().sum(0)
        soft_gram = torch.cat(gram) + self.softness * torch.eye(size[0] * size[1], dtype=torch.float64)
        self.inverse = torch.linalg.inv(soft_gram).to(device, dtype)
        self.step_cost = (0.5 * norms).to(device, dtype)
        self.op = build_convolved(kernel, hr_size, dtype, device)

    def down(self, y: Tensor) -> Tensor:
        """A y."""
        return self.op.down(y)

    def adjoint(self, r: Tensor, base: Tensor | None = None) -> Tensor:
        """Aᵀ r (+ base)."""
        grown = self.op.adjoint(r)
        return grown if base is None else grown.add_(base)

    def precondition(self, r: Tensor) -> Tensor:
        """(AAᵀ + I/μ)⁻¹ r."""
        z: Tensor = r.flatten(1) @ self.inverse
        return z.view_as(r)


def window_map(
    kernel: Kernel, size: tuple[int, int], soft: float, dtype: torch.dtype, device: torch.device
) -> WindowMap:
    """A for windows of `size` LR pixels; 1/μ is `soft` times AAᵀ's largest eigenvalue."""
    if isinstance(kernel, SeparableKernel):
        return SeparableWindow(kernel, size, soft, dtype, device)
    assert isinstance(kernel, Psf)
    return ConvolvedWindow(kernel, size, soft, dtype, device)
