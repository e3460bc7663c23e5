"""A on the LR grid: an HR image as scale² LR images, one per phase, and A as a convolution of those.

With `pixel_unshuffle` the phases become channels. Then A is a convolution of scale² channels to one, a transposed one
is one to scale², and both are of stride one.
"""

from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.operators.kernels import Kernel


@dataclass(frozen=True, eq=False)
class Polyphase:
    """x[i, j] = Σ_p Σ_uv weights[p, u, v] · phase_p[i + u − before, j + v − before]."""

    weights: Tensor
    """[scale², P, Q] float64; phase p is row p // scale, column p % scale of each scale × scale block."""
    before: tuple[int, int]
    """LR rows above and columns left of an LR pixel that A reads."""

    @property
    def after(self) -> tuple[int, int]:
        """LR rows below and columns right of an LR pixel that A reads."""
        return self.weights.shape[1] - 1 - self.before[0], self.weights.shape[2] - 1 - self.before[1]


def interleaved(phases: Tensor, scale: int) -> Tensor:
    """Put phases [N, scale², h, w] together: [N, 1, scale·h, scale·w]; `pixel_shuffle`, at half its time on a CPU."""
    n, _, h, w = phases.shape
    rows = phases.view(n, scale, scale, h, w).unbind(1)
    return torch.stack([torch.stack(row.unbind(1), -1) for row in rows], 2).view(n, 1, scale * h, scale * w)


@lru_cache(maxsize=64)
@torch.inference_mode(False)  # cached: later callers may differentiate
def polyphase(kernel: Kernel) -> Polyphase:
    """Split a kernel into its phases."""
    weights, first = kernel.plane()
    s = kernel.scale
    before = (-(first[0] // s), -(first[1] // s))
    top, left = first[0] + s * before[0], first[1] + s * before[1]
    bottom, right = -(top + weights.shape[0]) % s, -(left + weights.shape[1]) % s
    whole = functional.pad(torch.from_numpy(weights), (left, right, top, bottom))
    return Polyphase(functional.pixel_unshuffle(whole[None], s), before)
