"""A in a window, Aᵀ, and (AAᵀ + I/μ)⁻¹, for many windows at once. A window is small: its inverse can be dense.

`WindowCoordinates` adds the evidence's linear map: L A, Aᵀ Lᵀ, and a preconditioner for L AAᵀ Lᵀ + I/μ, through L⁺.
"""

import copy
from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from mapsr_cli.operators.axis import dense_a
from mapsr_cli.operators.banded import DenseMatrix
from mapsr_cli.operators.convolved import build_convolved, spectrum, units
from mapsr_cli.operators.evidence import Evidence
from mapsr_cli.operators.kernels import Kernel, SeparableKernel
from mapsr_cli.operators.psf import Psf
from mapsr_cli.operators.resized_axis import Profile, axis_rows
from mapsr_cli.operators.resizing import ResizingKernel

SOFTNESS = 2.0
"""1/μ times `peak`, as a fraction of AAᵀ's largest eigenvalue: multipliers grow with the range, e must not."""
FREQUENCIES = 64
"""LR frequencies a side at which AAᵀ's largest eigenvalue is sought."""
ITERATIONS, SAFETY = 8, 1.2
"""Of the power method, and what its result, which approaches the largest eigenvalue from below, is multiplied by."""
KNOWN = 1024
"""Axes of windows between two sizes that are kept: some 20 kB each."""

Area = tuple[slice, slice]
"""Rows and columns."""


class WindowMap(Protocol):
    """A of windows [B, H, W] → [B, h, w], reflecting at the window's edges."""

    largest: float
    """Largest eigenvalue of AAᵀ."""
    softness: float
    """1/μ."""

    @property
    def step_cost(self) -> Tensor:
        """[H, W] half the squared norm of A's column of each pixel."""

    def down(self, y: Tensor) -> Tensor:
        """Apply A: y [B, H, W] → [B, h, w]."""

    def adjoint(self, r: Tensor, base: Tensor | None = None) -> Tensor:
        """Apply Aᵀ (and add base): r [B, h, w] → [B, H, W]."""

    def precondition(self, r: Tensor) -> Tensor:
        """Apply (AAᵀ + I/μ)⁻¹: r [B, h, w] → [B, h, w]."""

    def select(self, windows: Tensor) -> "WindowMap":
        """Return A of some of the windows."""


class WindowAxis(NamedTuple):
    """One axis of a window, in float64; or of several, with the windows as first dimension."""

    a: Tensor
    """[n, m]: A, m → n pixels."""
    values: Tensor
    """[n]: eigenvalues of AAᵀ."""
    vectors: Tensor
    """[n, n]: its eigenvectors."""

    @classmethod
    def of(cls, a: DenseMatrix) -> "WindowAxis":
        """Make the axis of A."""
        rows = torch.from_numpy(a)
        return cls(rows, *torch.linalg.eigh(rows @ rows.mT))


class SeparableWindow:
    """Everything through the two axes, and through their eigenvectors.

    Either all windows share one A, or each has its own (between two sizes no two places need have the same).
    """

    def __init__(
        self, rows: "WindowAxis", cols: "WindowAxis", soft: float, dtype: torch.dtype, device: torch.device
    ) -> None:
        """Combine A along the axes. 1/μ is `soft` times AAᵀ's largest eigenvalue."""
        values = rows.values[..., :, None] * cols.values[..., None, :]
        self.largest = values.max().item()
        self.softness = soft * self.largest
        norms = rows.a.square().sum(-2)[..., :, None], cols.a.square().sum(-2)[..., None, :]
        tensors = rows.a, cols.a, rows.vectors, cols.vectors, 1 / (values + self.softness), 0.5 * norms[0] * norms[1]
        self._keep(tuple(t.to(device, dtype) for t in tensors))

    def _keep(self, tensors: tuple[Tensor, ...]) -> None:
        self.rows, self.cols, self.height_vectors, self.width_vectors, self.damped, self.step_cost = tensors

    def select(self, windows: Tensor) -> "SeparableWindow":
        """Return A of some of the windows."""
        if self.rows.dim() == 2:
            return self
        chosen = copy.copy(self)
        tensors = self.rows, self.cols, self.height_vectors, self.width_vectors, self.damped, self.step_cost
        chosen._keep(tuple(t[windows] for t in tensors))
        return chosen

    def down(self, y: Tensor) -> Tensor:
        """Apply A."""
        rows, cols = self._for(y, self.rows, self.cols)
        return rows @ y @ cols.mT

    def adjoint(self, r: Tensor, base: Tensor | None = None) -> Tensor:
        """Apply Aᵀ (and add base)."""
        rows, cols = self._for(r, self.rows, self.cols)
        grown = rows.mT @ r
        return grown @ cols if base is None else torch.baddbmm(base, grown, cols.expand(len(r), -1, -1))

    def precondition(self, r: Tensor) -> Tensor:
        """Apply (AAᵀ + I/μ)⁻¹."""
        u, v, damped = self._for(r, self.height_vectors, self.width_vectors, self.damped)
        return u @ (damped * (u.mT @ r @ v)) @ v.mT

    def _for(self, planes: Tensor, *matrices: Tensor) -> tuple[Tensor, ...]:
        """Repeat each window's matrices for its channels, where windows have their own: `planes` are [B·C, …]."""
        if self.rows.dim() == 2 or len(planes) == len(self.rows):
            return matrices
        return tuple(t.repeat_interleave(len(planes) // len(t), 0) for t in matrices)


class ConvolvedWindow:
    """A by convolution, the inverse as one matrix."""

    def select(self, windows: Tensor) -> "ConvolvedWindow":
        """Return A itself, which all windows share."""
        return self

    def __init__(
        self, kernel: Psf, size: tuple[int, int], soft: float, dtype: torch.dtype, device: torch.device
    ) -> None:
        hr_size = (size[0] * kernel.scale, size[1] * kernel.scale)
        self.largest = spectrum(kernel, FREQUENCIES, FREQUENCIES).max().item()
        self.softness = soft * self.largest
        self.op = build_convolved(kernel, hr_size, dtype, device)
        self._exact = build_convolved(kernel, hr_size, torch.float64, torch.device("cpu"))

    @cached_property
    def step_cost(self) -> Tensor:
        """[H, W] half the squared norm of A's column of each pixel."""
        norms = torch.zeros(self._exact.hr_size, dtype=torch.float64)
        for part in units(self._exact.lr_size):
            norms += self._exact.adjoint(part).square().sum(0)
        placed: Tensor = (0.5 * norms).to(self.op.device, self.op.dtype)
        return placed

    @cached_property
    def inverse(self) -> Tensor:
        """(AAᵀ + I/μ)⁻¹ [h·w, h·w]. Built at first use: of large windows it is not needed."""
        gram = torch.cat(
            [self._exact.down(self._exact.adjoint(part)).flatten(1) for part in units(self._exact.lr_size)]
        )
        soft_gram = gram + self.softness * torch.eye(len(gram), dtype=torch.float64)
        inverse: Tensor = torch.linalg.inv(soft_gram)
        return inverse.to(self.op.device, self.op.dtype)

    def down(self, y: Tensor) -> Tensor:
        """Apply A."""
        return self.op.down(y)

    def adjoint(self, r: Tensor, base: Tensor | None = None) -> Tensor:
        """Apply Aᵀ (and add base)."""
        grown = self.op.adjoint(r)
        return grown if base is None else grown.add_(base)

    def precondition(self, r: Tensor) -> Tensor:
        """Apply (AAᵀ + I/μ)⁻¹."""
        z: Tensor = r.flatten(1) @ self.inverse
        return z.view_as(r)


class WindowCoordinates:
    """L A of windows [B, C, H, W] → [B, C, h, w]: the coordinates that evidence limits, of changes of the image."""

    def __init__(self, a: WindowMap, evidence: Evidence) -> None:
        """Combine A with the map L of `evidence` about any window [1, C, h, w]."""
        self.a, self.evidence = a, evidence
        self.softness = a.softness
        """1/μ."""
        self.damping = 1.0
        if self._mixes:
            self.damping = 1 / self._largest(lambda c: self.precondition(self._gram(c)))

    @property
    def _mixes(self) -> bool:
        """Whether L is any map but the identity."""
        return self.evidence.couples_channels or self.evidence.block > 1

    @cached_property
    def _norm(self) -> float:
        """Largest eigenvalue of L Lᵀ, at most."""
        if not self._mixes:
            return 1.0
        return self._largest(lambda c: self.evidence.coordinates(self.evidence.coordinates_adjoint(c)))

    @property
    def largest(self) -> float:
        """Largest eigenvalue of L AAᵀ Lᵀ, at most; at least that of AAᵀ."""
        return max(self._norm, 1.0) * self.a.largest

    @property
    def step_cost(self) -> Tensor:
        """[H, W], or of each window [B, 1, H, W]: half the squared norm of each pixel's column of L A, at most."""
        cost = self._norm * self.a.step_cost
        return cost if cost.dim() == 2 else cost.unsqueeze(1)

    def select(self, windows: Tensor) -> "WindowCoordinates":
        """Return L A of some of the windows."""
        chosen = copy.copy(self)
        chosen.a = self.a.select(windows)
        return chosen

    def down(self, changes: Tensor) -> Tensor:
        """Apply A: [B, C, H, W] → [B, C, h, w]."""
        return _batched(self.a.down(changes.flatten(0, 1)), changes)

    def coordinates(self, changes: Tensor) -> Tensor:
        """Apply L A: [B, C, H, W] → [B, C, h, w]."""
        return self.evidence.coordinates(self.down(changes))

    def adjoint(self, c: Tensor, base: Tensor | None = None, samples: Tensor | None = None) -> Tensor:
        """Compute Aᵀ(Lᵀ c + samples) (+ base): [B, C, h, w] → [B, C, H, W]."""
        r = self.evidence.coordinates_adjoint(c)
        r = r if samples is None else r + samples
        return _batched(self.a.adjoint(r.flatten(0, 1), None if base is None else base.flatten(0, 1)), c)

    def precondition(self, c: Tensor) -> Tensor:
        """Apply τ L⁺ᵀ (AAᵀ + I/μ)⁻¹ L⁺ to [B, C, h, w], with τ such that its inverse is at least L AAᵀ Lᵀ + I/μ."""
        r = self.evidence.lift(c)
        z = self.evidence.lift_adjoint(_batched(self.a.precondition(r.flatten(0, 1)), c))
        return z if self.damping == 1 else self.damping * z

    def _gram(self, c: Tensor) -> Tensor:
        return self.coordinates(self.adjoint(c)) + self.softness * c

    def _largest(self, apply: Callable[[Tensor], Tensor]) -> float:
        """Return the largest eigenvalue of a product of positive semidefinite maps of coordinates (power method)."""
        like, generator = self.evidence.x, torch.Generator().manual_seed(0)
        c = torch.randn(like.shape, generator=generator).to(like.device, self.a.step_cost.dtype)
        for _ in range(ITERATIONS):
            c = apply(c / c.norm())
        return SAFETY * float(c.norm())


def _batched(planes: Tensor, like: Tensor) -> Tensor:
    """View planes [B·C, h, w] as [B, C, h, w]."""
    return planes.view(*like.shape[:2], *planes.shape[1:])


def window_map(
    kernel: Kernel, size: tuple[int, int], soft: float, dtype: torch.dtype, device: torch.device
) -> WindowMap:
    """Build A for windows of `size` LR pixels, wherever they lie; 1/μ is `soft` times AAᵀ's largest eigenvalue."""
    if isinstance(kernel, SeparableKernel):
        rows, cols = (WindowAxis.of(dense_a(kernel, n * kernel.scale)) for n in size)
        return SeparableWindow(rows, cols, soft, dtype, device)
    assert isinstance(kernel, Psf)
    return ConvolvedWindow(kernel, size, soft, dtype, device)


def resized_window_map(
    kernel: ResizingKernel,
    lr: Sequence[Area],
    hr: Sequence[Area],
    soft: float,
    dtype: torch.dtype,
    device: torch.device,
) -> SeparableWindow:
    """Build A of windows that are `lr` in the LR and `hr` in the HR image: (rows, columns) each, of one size.

    Weights of pixels outside a window are left out: those are frozen.
    """
    rows, cols = (
        _resized_axes(kernel, axis, [(s[axis], t[axis]) for s, t in zip(lr, hr, strict=True)]) for axis in (0, 1)
    )
    return SeparableWindow(rows, cols, soft, dtype, device)


def _resized_axes(kernel: ResizingKernel, axis: int, places: Sequence[tuple[slice, slice]]) -> WindowAxis:
    """Make one axis of windows that are at `places` (LR and HR range) along it."""
    sides = kernel.profile, kernel.large[axis], kernel.small[axis]
    parts = [_resized_axis(*sides, small.start, small.stop, large.start, large.stop) for small, large in places]
    return WindowAxis(*(torch.stack(tensors) for tensors in zip(*parts, strict=True)))


@lru_cache(maxsize=KNOWN)
def _resized_axis(
    profile: Profile, large: int, small: int, lr_start: int, lr_stop: int, hr_start: int, hr_stop: int
) -> WindowAxis:
    """Make one axis of one window. Windows beside each other share it, and so do later ones in the same place."""
    return WindowAxis.of(axis_rows(profile, large, small).part(slice(lr_start, lr_stop), slice(hr_start, hr_stop)))
