"""Patches that an estimate got wrong: scanning Fourier ring correlation (sFRC; Kc et al., arXiv 2603.04673)."""

from functools import cache

import torch
from torch import Tensor

PATCH = 64
"""HR pixels a side of a patch; the patches lie side by side."""
AGREES = 0.5
"""Correlation of a ring of frequencies from which on two patches agree there."""
_THRESHOLD = 0.33 * 0.48 * 4
"""x_ht times the scale, in cycles: 0.33 per mm of 0.48 mm pixels in the paper's ×4 super-resolution."""
_LEAST_DETAIL = 4.0
"""Standard deviation in levels below which a patch of HR is left out: sensor noise alone correlates with nothing."""


def count_fake(y: Tensor, truth: Tensor, scale: float) -> tuple[int, int]:
    """Count the patches of an estimate that are fake, and those that were judged: [H, W] in levels.

    A patch is fake where its correlation with HR falls below `AGREES` at a lower frequency than 0.634 / scale cycles
    per pixel. That is 1.27 times LR's Nyquist frequency.
    """
    if min(truth.shape) < PATCH:
        return 0, 0
    ours, theirs = _patches(y), _patches(truth)
    detailed = theirs.flatten(1).std(1) >= _LEAST_DETAIL
    if not detailed.any():  # MKL transforms no empty stack
        return 0, 0
    crossings = crossing(ring_correlation(ours[detailed], theirs[detailed]))
    return int((crossings < _THRESHOLD / scale).sum()), int(detailed.sum())


def _patches(image: Tensor) -> Tensor:
    """Cut whole patches: [H, W] → [N, PATCH, PATCH]."""
    return image.double().unfold(0, PATCH, PATCH).unfold(1, PATCH, PATCH).reshape(-1, PATCH, PATCH)


def ring_correlation(a: Tensor, b: Tensor) -> Tensor:
    """Correlate two stacks of patches [N, n, n] ring by ring of frequencies: [N, n/2], 1 where they agree.

    Each patch is first stretched to [0, 1] and windowed (Hann).
    """
    n = a.shape[-1]
    window, rings = torch.hann_window(n, periodic=False, dtype=a.dtype), _rings(n)
    f, g = (torch.fft.fft2(_stretched(p) * window * window[:, None]).reshape(-1, n * n) for p in (a, b))
    cross, power, other = ((f * g.conj()).real @ rings, f.abs().square() @ rings, g.abs().square() @ rings)
    curves: Tensor = cross.abs() / (power * other).sqrt()
    return curves


def _stretched(patches: Tensor) -> Tensor:
    low, high = patches.amin((1, 2), keepdim=True), patches.amax((1, 2), keepdim=True)
    return (patches - low) / (high - low).clamp(min=1e-12)


@cache
def _rings(n: int) -> Tensor:
    """Make [n², n/2]: each frequency counts half in the ring below and half in the ring above its radius."""
    index = torch.fft.fftfreq(n, 1 / n, dtype=torch.float64)
    radius = torch.hypot(index, index[:, None]).flatten()[:, None]
    ring = torch.arange(n // 2)
    return ((radius.floor() == ring).double() + (radius.ceil() == ring).double()) / 2


def crossing(curves: Tensor) -> Tensor:
    """Find where curves [N, n/2] first fall below `AGREES`: [N] in cycles per pixel, infinite where they never do."""
    below = curves < AGREES
    after = below.int().argmax(1).clamp(min=1)
    low, high = (curves.gather(1, at[:, None])[:, 0] for at in (after, after - 1))
    at = after - (AGREES - low) / (high - low)
    return torch.where(below.any(1), at / (2 * curves.shape[1]), torch.inf)
