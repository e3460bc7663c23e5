"""The kernel that made LR images of HR ones: least squares over the pixels of pairs.

    x[i] = Σ_n k[n] y[s·i + n] + noise

Windows of HR pixels around each LR pixel that lies inside give normal equations M k = v, whatever the number of pairs.
Photographs hold little of high frequencies, so k's are poorly determined: the size of k and a ridge are chosen by
cross-validation, with bands of LR rows in turn left out.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from mapsr_cli.errors import KernelError
from mapsr_cli.operators.kernels import centred, check_scale

RIDGES = (0.0, *(10.0**power for power in range(-9, -2)))
"""Of the mean eigenvalue of M."""
BAND = 8
"""LR rows that are left out together."""
_CHUNK = 1 << 22
"""Numbers in a matrix of windows, at most."""


@dataclass(frozen=True)
class FittedKernel:
    """A kernel, as the picture [P, P] that A makes of a point, and how well it explains the pairs."""

    picture: Tensor
    """Float64, scaled to sum to one."""
    gain: float
    """Its sum before that: 1 where brightness is kept."""
    residual: float
    """Root mean square of x − A y, in the unit of the images."""
    error: float
    """Standard error of the picture, relative to its norm: what noise of the size of the residual makes of it."""
    pixels: int
    """LR samples that it was fitted to."""


class KernelFit:
    """Normal equations of pairs; `add` takes pairs, `solve` finds the kernel."""

    def __init__(self, scale: int, size: int) -> None:
        """Look for at most about `size` × `size` HR pixels. Raises UsageError for another scale than A may have."""
        check_scale(scale)
        self.scale = scale
        self.size = max(size - (size - scale) % 2, 2 - scale % 2)
        """Of the scale's parity, so that the middle is an LR pixel's centre."""
        numbers = self.size**2
        self._gram = torch.zeros(2, numbers, numbers, dtype=torch.float64)
        self._cross = torch.zeros(2, numbers, dtype=torch.float64)
        self._power = torch.zeros(2, dtype=torch.float64)
        self._count = [0, 0]

    def add(self, x: Tensor, y: Tensor) -> int:
        """Take a pair: x [C, h, w], y [C, H, W], h = ⌈H/s⌉; return how many LR samples lie far enough inside."""
        taken = 0
        for band, windows, pixels in self._windows(x.double(), y.double()):
            self._gram[band].addmm_(windows.T, windows)
            self._cross[band].addmv_(windows.T, pixels)
            self._power[band] += pixels.square().sum()
            self._count[band] += len(pixels)
            taken += len(pixels)
        return taken

    def _windows(self, x: Tensor, y: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
        """Yield (band's parity, HR windows [n, size²], LR samples [n]), some LR rows at a time."""
        first, scale, size = centred(self.size, self.scale), self.scale, self.size
        begin = max(-(first // scale), 0)
        stop = [min((n - size - first) // scale + 1, m) for n, m in zip(y.shape[1:], x.shape[1:], strict=True)]
        wide = stop[1] - begin
        if wide < 1:
            return
        rows = max(min(BAND, _CHUNK // (wide * size**2 * len(x))), 1)
        left = scale * begin + first
        for band in range(begin, stop[0], BAND):
            for top in range(band, min(band + BAND, stop[0]), rows):
                bottom = min(top + rows, band + BAND, stop[0])
                part = y[:, scale * top + first : scale * (bottom - 1) + first + size, left:]
                seen = part.unfold(1, size, scale).unfold(2, size, scale)[:, :, :wide]
                pixels = x[:, top:bottom, begin : stop[1]]
                yield (band // BAND) % 2, seen.reshape(-1, size**2), pixels.reshape(-1)

    def solve(self) -> FittedKernel:
        """Find the kernel. Raises KernelError where the pairs hold too little to find one."""
        if min(self._count) < 2 * self.size**2:
            raise KernelError(
                f"{sum(self._count)} samples of the small pictures are too few to fit {self.size}×{self.size} weights",
                "more pairs, larger ones, or a smaller --size",
            )
        choices = [(size, ridge) for size in range(self.size, 0, -2) for ridge in RIDGES]
        size, ridge = min(choices, key=lambda choice: self._left_out(*choice))
        return self._fitted(size, ridge)

    def _inner(self, size: int) -> Tensor:
        """Index the inner `size` × `size` weights of the largest."""
        margin = (self.size - size) // 2
        return torch.arange(self.size**2).view(self.size, -1)[margin : margin + size, margin : margin + size].flatten()

    def _left_out(self, size: int, ridge: float) -> float:
        """Compute the squared error of the bands that the kernel was not fitted to, both ways."""
        at, total = self._inner(size), 0.0
        for half in (0, 1):
            weights = _weights(self._gram[half][at][:, at], self._cross[half][at], ridge)
            if weights is None:
                return float("inf")
            other = 1 - half
            explained = 2 * weights @ self._cross[other][at] - weights @ self._gram[other][at][:, at] @ weights
            total += float(self._power[other] - explained)
        return total

    def _fitted(self, size: int, ridge: float) -> FittedKernel:
        at, count = self._inner(size), sum(self._count)
        gram, cross = self._gram.sum(0)[at][:, at], self._cross.sum(0)[at]
        weights = _weights(gram, cross, ridge)
        gain = 0.0 if weights is None else float(weights.sum())
        if weights is None or gain <= 0:
            raise KernelError("the pairs determine no kernel", "are they of the same pictures, and not flat?")
        explained = 2 * weights @ cross - weights @ gram @ weights
        variance = max(float(self._power.sum() - explained), 0.0) / count
        inverse = torch.linalg.inv(_ridged(gram, ridge))
        spread = (variance * torch.trace(inverse @ gram @ inverse)).clamp_min(0).sqrt()
        picture = weights.view(size, size).flip(0, 1) / gain  # a convolution turns what it is applied to
        return FittedKernel(picture, gain, variance**0.5, float(spread / weights.norm()), count)


def _ridged(gram: Tensor, ridge: float) -> Tensor:
    return gram + ridge * gram.diagonal().mean() * torch.eye(len(gram), dtype=gram.dtype)


def _weights(gram: Tensor, cross: Tensor, ridge: float) -> Tensor | None:
    """Solve the normal equations; None where they are singular."""
    factor, failed = torch.linalg.cholesky_ex(_ridged(gram, ridge))
    if failed or not bool(factor.isfinite().all()):
        return None
    solution = torch.cholesky_solve(cross[:, None], factor)[:, 0]
    return solution if bool(solution.isfinite().all()) else None
