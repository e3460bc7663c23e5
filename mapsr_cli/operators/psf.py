"""A measured point-spread function as a kernel: any picture of a point, separable or not."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mapsr_cli.errors import KernelError
from mapsr_cli.operators.kernels import Kernel, centred, check_scale

LARGEST = 101
"""HR pixels a side, after empty margins are cut: further taps make every product with A slower, and A singular."""
_UNIT = 1e-12
"""A sum this near to one is one: a stored kernel comes back with the same bits."""


@dataclass(frozen=True)
class Psf(Kernel):
    """Weights of the plane, as A applies them: the picture of a point, turned by 180° (a convolution)."""

    taps: tuple[tuple[float, ...], ...]
    first: tuple[int, int]

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns."""
        return len(self.taps), len(self.taps[0])

    @property
    def phase(self) -> tuple[float, float]:
        """HR (row, column) of LR pixel (0, 0)'s centre: where the middle of the picture is laid."""
        rows, cols = self.size
        return self.first[0] + (rows - 1) / 2, self.first[1] + (cols - 1) / 2

    def plane(self) -> tuple[NDArray[np.float64], tuple[int, int]]:
        """Return the taps as an array."""
        return np.array(self.taps), self.first

    def describe(self) -> str:
        """Give name, scale, size and phase."""
        (rows, cols), (down, right) = self.size, self.phase
        return f"{self.name} (×{self.scale}, {rows}×{cols} taps, phase {down:g}, {right:g})"


def make_psf(name: str, picture: ArrayLike, scale: int) -> Psf:
    """Make the kernel of a point-spread function, given as the picture [P, Q] that A makes of a point, in HR pixels.

    The picture's middle, (P − 1)/2 and (Q − 1)/2, is laid on the LR pixel's centre: an odd side at an even scale half a
    pixel before it, as for `gaussian9`. Empty margins are cut evenly, so that the middle stays where it is; weights are
    scaled to sum to one. Raises KernelError for a picture that is no point-spread function, UsageError for the scale.
    """
    check_scale(scale)
    values = np.asarray(picture)
    if values.ndim != 2 or 0 in values.shape:
        raise KernelError(f"{name}: a point-spread function has two dimensions, not the shape {list(values.shape)}")
    if not (np.issubdtype(values.dtype, np.number) or values.dtype == bool) or np.iscomplexobj(values):
        raise KernelError(f"{name}: a point-spread function holds real numbers, not {values.dtype}")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        raise KernelError(f"{name}: a point-spread function holds finite numbers only")
    if not values.any():
        raise KernelError(f"{name}: every weight is zero")
    values = _without_margins(values)
    if max(values.shape) > LARGEST:
        rows, cols = values.shape
        raise KernelError(f"{name}: {rows}×{cols} weights are too many", f"crop it to {LARGEST}×{LARGEST} at most")
    total = math.fsum(values.ravel())
    if total <= 1e-6 * np.abs(values).sum():
        raise KernelError(f"{name}: the weights sum to {total:.3g}", "light adds up: their sum must be positive")
    if abs(total - 1) > _UNIT:
        values = values / total
    turned = values[::-1, ::-1]
    first = (centred(turned.shape[0], scale), centred(turned.shape[1], scale))
    return Psf(name, scale, tuple(tuple(float(w) for w in row) for row in turned), first)


def psf_of_taps(name: str, taps: ArrayLike, scale: int) -> Psf:
    """Make the kernel with these `taps`, as they are stored with a model. Raises as `make_psf`."""
    return make_psf(name, np.flip(np.asarray(taps)), scale)


def _without_margins(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cut as many empty rows at the top as at the bottom, and columns likewise."""
    for axis in (0, 1):
        used = np.flatnonzero(values.any(axis=1 - axis))
        margin = int(min(used[0], values.shape[axis] - 1 - used[-1]))
        values = values.take(range(margin, values.shape[axis] - margin), axis=axis)
    return values
