"""What is saved where no image satisfies the evidence: its best approximation, tone before detail.

Some originals are no image's downscaled version: 1-bit halftones, dithers and text at the original's resolution would
need pixels blacker than black and whiter than white. Clipping those shifts the tone, by twenty levels in a halftone.
There we minimise, over changes of the estimate with 0 ≤ y ≤ peak,

    ½ ‖e‖² + ½ λ ‖m(A y − x)‖²,    e = the distance of L(A y − x) from the middle of its bounds (0 where unbounded),

where m is the mean over 13 × 13 LR pixels: an eye sees the mean of a dither before it sees its dots. It is Nesterov's
accelerated gradient, projected onto the box, with restarts. The step is one over the largest eigenvalue of the Hessian,
(1 + λ) times that of AᵀLᵀLA. AAᵀ is well conditioned, so a few dozen passes suffice.
"""

import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.operators.window_problem import WITHIN, Effort, WindowChange, WindowProblem

TONE = 7.0
"""λ. Plain least squares (0) leaves blocks of a dither 11 levels off; 7 leaves 4, and costs 0.1 dB of LR-PSNR."""
SIDE = 13
"""LR pixels a side of m."""


def local_mean(v: Tensor) -> Tensor:
    """Average over SIDE × SIDE LR pixels: [..., C, h, w] → the same. Zeros lie beyond borders, so m is symmetric."""
    return functional.avg_pool2d(v, SIDE, stride=1, padding=SIDE // 2)


class BestApproximation:
    """Solves windows for the best approximation to their evidence."""

    effort = Effort(window=64, passes=50, slack=0.05, regions=True)

    def solve(self, problem: WindowProblem) -> WindowChange:
        """Find the change of every window, from the nearest in the box to f."""
        step = 1 / ((1 + TONE) * problem.a.largest)
        change = torch.clamp(problem.f, problem.floor, problem.ceiling)
        ahead, t = change, change.new_ones(len(change), 1, 1, 1)
        for _ in range(self.effort.passes):
            moved = (ahead - step * self._gradient(problem, ahead)).clamp_(problem.floor, problem.ceiling)
            onward = ((moved - ahead) * (moved - change)).sum(WITHIN, keepdim=True) >= 0
            t = torch.where(onward, t, torch.ones_like(t))
            grown = (1 + (1 + 4 * t * t).sqrt()) / 2
            ahead, change, t = moved + (t - 1) / grown * (moved - change), moved, grown
        return WindowChange(change.round(), change, change.new_ones(len(change), dtype=torch.bool))

    def _gradient(self, problem: WindowProblem, change: Tensor) -> Tensor:
        down = problem.a.down(change)
        coordinates = problem.offset + problem.a.evidence.coordinates(down)
        excess = coordinates - torch.clamp(coordinates, problem.aim_low, problem.aim_high)
        tone = TONE * local_mean(local_mean(problem.residual + down))
        return problem.a.adjoint(excess, samples=tone)
