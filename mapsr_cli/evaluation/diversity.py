"""Diversity of a stochastic model's samples, as far as it brings pixels nearer to the truth.

NTIRE 2021 challenge "learning the super-resolution space" (Lugmayr et al.): a distance to the truth at every pixel of
every sample; the best whole sample against the best sample at each pixel. Noise that brings no pixel nearer to the
truth earns nothing.
"""

from collections.abc import Callable

from torch import Tensor

from mapsr_cli.errors import UsageError

SAMPLES = 10
"""How many the challenge draws."""

DenseDistance = Callable[[Tensor, Tensor], Tensor]
"""(samples [S, 3, H, W], truth [3, H, W], both in [0, 1]) → distances [S, H, W] ≥ 0. The challenge takes LPIPS."""


def squared_error(samples: Tensor, truth: Tensor) -> Tensor:
    """Average the squared error over channels at each pixel: samples [S, 3, H, W], truth [3, H, W] → [S, H, W]."""
    return (samples - truth).square().mean(-3)


def diversity(samples: Tensor, truth: Tensor, distance: DenseDistance = squared_error) -> float:
    """Compute 100 · (global best − local best) / global best of samples [S, 3, H, W], truth [3, H, W] in [0, 1].

    Global best: the smallest mean distance of one sample. Local best: the mean over pixels of the smallest distance
    there of any sample. A deterministic model scores 0, as do samples that hold the truth itself. Raises UsageError for
    shapes that do not fit.
    """
    if samples.dim() != 4 or samples.shape[1:] != truth.shape:
        raise UsageError(f"samples {tuple(samples.shape)} do not belong to a truth {tuple(truth.shape)}")
    distances = distance(samples, truth).double()
    best = distances.mean((-2, -1)).min()
    local = distances.amin(0).mean()
    return 0.0 if best == 0 else (100 * (best - local) / best).item()
