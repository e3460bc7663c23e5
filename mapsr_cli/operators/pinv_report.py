"""How close a convolution comes to A⁺."""

from dataclasses import dataclass

import torch
from torch import Tensor

from mapsr_cli.operators.conv_pinv import ConvPinv
from mapsr_cli.operators.downsampling import downsampling
from mapsr_cli.operators.kernels import Kernel
from mapsr_cli.operators.pinv_loss import PinvLoss
from mapsr_cli.operators.polyphase import polyphase

INSIDE = 8
"""LR pixels a side that no border affects, in the image whose matrices are computed."""
LARGEST_SIDE = 24
"""Its LR pixels a side at most; with very wide kernels the border affects all of it."""

LONG = 64
"""LR pixels a side of the image whose condition number is reported: larger ones have the same."""


@dataclass(frozen=True)
class PinvReport:
    """Figures about B, in float64."""

    l1: float
    """Expected (Ay − ABAy)² per LR pixel inside the image, y white noise of variance one: eqn (21)."""
    l2: float
    """Expected (Bx − BABx)² per HR pixel inside the image, x likewise: eqn (22)."""
    penrose: tuple[float, float, float, float]
    """Relative Frobenius norms of ABA − A, BAB − B, AB − (AB)ᵀ and BA − (BA)ᵀ on one small image, borders included."""
    interior_mse: float
    """Expected (x − ABx)² per LR pixel inside the image, x white noise of variance one."""
    border_mse: float
    """The same over the LR pixels that the border affects."""
    condition: float
    """Condition number of AAᵀ; along the axis of a separable kernel."""

    @property
    def total(self) -> float:
        """ℓ1 + ℓ2, eqn (23)."""
        return self.l1 + self.l2


def examine(kernel: Kernel, pinv: ConvPinv) -> PinvReport:
    """Compare B with what A⁺ is: ℓ1, ℓ2, the four Penrose conditions, consistency inside and at the border.

    Raises KernelError where AAᵀ is near-singular.
    """
    loss = PinvLoss(polyphase(kernel), pinv.taps)
    kernels = pinv.kernels.double()
    l1, l2 = (float(value) for value in loss.expected(kernels))
    margin = kernel.border_width + pinv.taps // 2
    side = min(2 * margin + INSIDE, LARGEST_SIDE)
    op = downsampling(kernel, (side * kernel.scale, side * kernel.scale), torch.float64)
    units = torch.eye(side**2, dtype=torch.float64).view(-1, side, side)
    a, b = op.adjoint(units).flatten(1), ConvPinv(kernels).pinv(units).flatten(1).T
    off = (torch.eye(side**2, dtype=torch.float64) - a @ b).square().sum(1).view(side, side)
    at_border = torch.ones(side, side, dtype=torch.bool)
    at_border[margin : side - margin, margin : side - margin] = False
    return PinvReport(
        l1=l1,
        l2=l2,
        penrose=penrose_residuals(a, b),
        interior_mse=float(loss.inconsistency(kernels)),
        border_mse=float(off[at_border].mean()),
        condition=condition_number(kernel),
    )


def condition_number(kernel: Kernel) -> float:
    """Return the condition number of AAᵀ on any but small images. Raises KernelError where it is near-singular."""
    return downsampling(kernel, (LONG * kernel.scale, LONG * kernel.scale), torch.float64).condition


def penrose_residuals(a: Tensor, b: Tensor) -> tuple[float, float, float, float]:
    """Compute ‖ABA − A‖/‖A‖, ‖BAB − B‖/‖B‖, ‖AB − (AB)ᵀ‖/‖AB‖, ‖BA − (BA)ᵀ‖/‖BA‖.

    A is [n, N] and B [N, n], n ≤ N. BA is N × N, too large to be computed. With Aᵀ = QR and B = QC + B⊥ (B⊥
    perpendicular to Q's columns), BA in the basis of Q and the rest consists of CRᵀ and B⊥Rᵀ, so
    ‖BA − (BA)ᵀ‖² = ‖CRᵀ − (CRᵀ)ᵀ‖² + 2‖B⊥Rᵀ‖².
    """
    q, r = torch.linalg.qr(a.T)
    inside = q.T @ b
    outside = b - q @ inside
    ab, core = a @ b, inside @ r.T
    off = ab - torch.eye(len(a), dtype=a.dtype)
    asymmetry = (core - core.T).square().sum() + 2 * (outside @ r.T).square().sum()
    return (
        float((off @ a).norm() / a.norm()),
        float((b @ off).norm() / b.norm()),
        float((ab - ab.T).norm() / ab.norm()),
        float(asymmetry.sqrt() / (b @ r.T).norm()),
    )
