"""One axis of A, and of (AAᵀ)⁻¹, between any two lengths.

A is MATLAB's `imresize` with a target size: LR pixel i of n sees the m HR pixels around c = (i + ½)·m/n − ½ with the
kernel stretched by m/n, its weights sum to one, and the border is symmetric. m/n need not be a whole number, so no two
rows of A need be alike. AAᵀ is banded, symmetric and positive definite, and its inverse decays fast: a block of rows of
the inverse is read off the inverse of a window around it.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import torch
from numpy.typing import NDArray

from mapsr_cli.errors import KernelError
from mapsr_cli.operators.axis import CONDITION_LIMIT, gram_of, inverse_of
from mapsr_cli.operators.banded import AxisMap, DenseMatrix
from mapsr_cli.operators.blocks import make_blocks
from mapsr_cli.operators.border import reflected
from mapsr_cli.operators.kernels import CONTINUOUS, SCALES, make_kernel

BLOCK = 16
"""LR pixels in a block of rows: enough for matrix products to be efficient, few enough to waste little on zeros."""
INVERTED = 64
"""LR pixels whose rows of the inverse come from one window."""
LEAST_MARGIN = 32
"""LR pixels around such a block that its window holds, at least; twice as many until the inverse has decayed."""
MEASURED, WINDOWS = 128, 12
"""LR pixels in a window in which AAᵀ's condition number is measured, and windows, spread over the axis."""


@dataclass(frozen=True)
class Profile:
    """A continuous kernel along one axis."""

    name: str
    """What the user calls it: `bicubic`, `gaussian9`, …"""
    weight: Callable[[float], float]
    """Weight (not normalised) at a distance from the centre, in the kernel's own unit."""
    radius: float
    """Distance from the centre beyond which every weight is zero, in the same unit."""
    stretched: bool
    """Whether that unit is an LR pixel (the kernel widens with the ratio, as antialiased ones do), or an HR pixel."""


def make_profile(name: str, sigma: float | None = None) -> Profile:
    """Return the continuous kernel that a user names: `bicubic`, `lanczos3`, `box`, or `gaussianN` of σ HR pixels.

    Raises UsageError as `make_kernel` does.
    """
    if name in CONTINUOUS:
        weight, radius = CONTINUOUS[name]
        return Profile(name, weight, radius, stretched=True)
    strided = make_kernel(name, SCALES[0], sigma)  # checks the name and σ
    assert strided.sigma is not None
    return Profile(name, Gaussian(strided.sigma), len(strided.taps) / 2, stretched=False)


@dataclass(frozen=True)
class Gaussian:
    """exp(−½ (x/σ)²), not normalised."""

    sigma: float
    """Standard deviation in HR pixels."""

    def __call__(self, x: float) -> float:
        """Return the weight at distance x."""
        return math.exp(-0.5 * (x / self.sigma) ** 2)


@dataclass(frozen=True, eq=False)
class AxisRows:
    """The rows of A along an axis from `hr` to `lr` pixels, as their weights and the HR pixels that these weigh."""

    hr: int
    lr: int
    weights: DenseMatrix
    """[lr, taps], each row summing to one."""
    at: NDArray[np.int64]
    """[lr, taps] HR pixels, reflected at the ends. Zero weights stand at a pixel that the row reads anyway."""

    def dense(self, start: int, stop: int) -> tuple[DenseMatrix, int]:
        """Return rows start … stop − 1 over the HR pixels that they read: [rows, reads], and the first of those."""
        at, low = self.at[start:stop], int(self.at[start:stop].min())
        a = np.zeros((stop - start, int(at.max()) + 1 - low))
        np.add.at(a, (np.arange(stop - start)[:, None], at - low), self.weights[start:stop])
        return a, low

    def part(self, lr: slice, hr: slice) -> DenseMatrix:
        """Return rows `lr` of A over the HR pixels `hr` alone: [rows, pixels]. Weights of other pixels are left out."""
        a, low = self.dense(lr.start, lr.stop)
        part = np.zeros((len(a), hr.stop - hr.start))
        first, last = max(low, hr.start), min(low + a.shape[1], hr.stop)
        part[:, first - hr.start : last - hr.start] = a[:, first - low : last - low]
        return part

    def gram(self, start: int, stop: int, ridge: float) -> DenseMatrix:
        """Return AAᵀ + ridge·I of LR pixels start … stop − 1: a principal submatrix of the axis's own."""
        return gram_of(self.dense(start, stop)[0], ridge)


@lru_cache(maxsize=64)
def axis_rows(profile: Profile, hr: int, lr: int) -> AxisRows:
    """Compute the rows of A from `hr` to `lr` pixels.

    Distances are ratios of whole numbers, so that equal phases have equal bits.
    """
    centre = (2 * np.arange(lr) + 1) * hr - lr  # 2·lr times c
    unit = hr if profile.stretched else lr
    radius = profile.radius * unit / lr
    first = np.ceil(centre / (2 * lr) - radius).astype(np.int64)
    at = first[:, None] + np.arange(int(np.floor(2 * radius)) + 2)
    distance = (2 * lr * at - centre[:, None]) / (2 * unit)
    inside = np.abs(distance) <= profile.radius
    weights = np.zeros(distance.shape)
    weights[inside] = [profile.weight(float(x)) for x in distance[inside]]
    weights /= weights.sum(1, keepdims=True)
    anchor = np.take_along_axis(at, np.abs(distance).argmin(1, keepdims=True), 1)
    return AxisRows(hr, lr, weights, reflected(np.where(weights == 0, anchor, at), hr))


@dataclass(frozen=True, eq=False)
class ResizedAxis:
    """A and (AAᵀ)⁻¹ along one axis, between any two lengths."""

    rows: AxisRows
    ridge: float
    condition: float
    """Condition number of AAᵀ + ridge·I."""
    down: AxisMap
    """A: HR length → LR length."""

    @cached_property
    def inverse_gram(self) -> AxisMap:
        """(AAᵀ + ridge·I)⁻¹: LR length → LR length. Built at first use."""
        n, like = self.rows.lr, self.down.forward.like
        tolerance = max(torch.finfo(like.dtype).eps * 1e-2, 1e-16)
        margin = self._margin(tolerance)

        def local(start: int, stop: int) -> tuple[DenseMatrix, int]:
            low, high = max(start - margin, 0), min(stop + margin, n)
            inverse = inverse_of(self.rows.gram(low, high, self.ridge))[start - low : stop - low]
            used = np.flatnonzero((np.abs(inverse) > tolerance * np.abs(inverse).max()).any(axis=0))
            return inverse[:, used[0] : used[-1] + 1], low + int(used[0])

        edges = [*range(0, n, INVERTED), n]
        return AxisMap(*make_blocks(local, edges, edges, like.dtype, like.device))

    def _margin(self, tolerance: float) -> int:
        """Return how many LR pixels from a block its rows of the inverse are below `tolerance` of their peak."""
        n, margin = self.rows.lr, LEAST_MARGIN
        while margin < n:
            low = max(n // 2 - margin, 0)
            inverse = np.abs(inverse_of(self.rows.gram(low, min(low + 2 * margin, n), self.ridge)))
            row = inverse[len(inverse) // 2]
            if max(row[0], row[-1]) <= tolerance * row.max():
                return margin
            margin *= 2
        return n


def _condition(rows: AxisRows, ridge: float) -> float:
    """Measure the condition number of AAᵀ + ridge·I in windows spread along the axis; infinite if not positive."""
    size = min(MEASURED, rows.lr)
    starts = np.unique(np.linspace(0, rows.lr - size, WINDOWS).astype(int))
    values = np.linalg.eigvalsh(np.stack([rows.gram(int(at), int(at) + size, ridge) for at in starts]))
    least, most = float(values.min()), float(values.max())
    return most / least if least > 0 else float("inf")


@lru_cache(maxsize=64)
def make_resized_axis(
    profile: Profile, hr: int, lr: int, dtype: torch.dtype, device: torch.device, ridge: float = 0.0
) -> ResizedAxis:
    """Build A and (AAᵀ + ridge·I)⁻¹ from `hr` to `lr` pixels, in float64, at a cost linear in the lengths.

    Raises KernelError where AAᵀ is near-singular.
    """
    rows = axis_rows(profile, hr, lr)
    condition = _condition(rows, ridge)
    if condition > CONDITION_LIMIT:
        raise KernelError(
            f"kernel {profile.name} from {hr} to {lr} pixels is near-singular: A Aᵀ has condition number "
            f"{condition:.3g} (limit {CONDITION_LIMIT:g})",
            "take a narrower kernel or a larger size",
        )
    edges = [*range(0, lr, BLOCK), lr]
    down = AxisMap(*make_blocks(rows.dense, edges, [at * hr // lr for at in edges], dtype, device))
    return ResizedAxis(rows, ridge, condition, down)
