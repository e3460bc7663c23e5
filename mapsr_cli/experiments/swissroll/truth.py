"""p_Y as the paper estimates it, the cross-entropy H[q, p_Y] under it, and brute-force MAP estimates."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.training.data import swiss_roll
from mapsr_cli.training.data.swissroll import ANGLE, GROWTH, NOISE, SPREAD

BANDWIDTH = 0.2
SAMPLES = 50_000
CHUNK = 400_000
"""Distances held at once."""
NEGLIGIBLE = -80.0
"""A term of e^−80 is nothing in a sum of as many as there are samples, each at most 1 and one of them 1."""


@dataclass(frozen=True, eq=False)
class KernelDensity:
    """A Gaussian kernel density estimate: mean of N(y; y_i, bandwidth² I) over points y_i [M, 2]."""

    points: Tensor
    bandwidth: float = BANDWIDTH

    def log_prob(self, y: Tensor) -> Tensor:
        """log p(y), in nats, for y [N, 2] → [N]."""
        width = self.bandwidth
        a = y.to(self.points.dtype) / width
        b = self.points / width
        constant = math.log(len(b) * 2 * math.pi * width**2)
        halves = b.square().sum(dim=1) / 2
        parts = []
        for some in torch.split(a, max(CHUNK // len(b), 1)):
            exponents = torch.addmm(-halves, some, b.T)  # −|a − b|²/2 but for −|a|²/2
            parts.append(_logsumexp(exponents) - some.square().sum(dim=1) / 2 - constant)
        return torch.cat(parts)

    def cross_entropy(self, y: Tensor) -> tuple[float, float]:
        """Compute H[q, p] = −E log p(y) for samples y [N, 2] of q, and the median of −log p(y), in nats."""
        information = -self.log_prob(y)
        return information.mean().item(), information.median().item()


def _logsumexp(exponents: Tensor) -> Tensor:
    """Compute log Σ exp over the last axis, [N, M] → [N], in place.

    Unlike in `torch.logsumexp`, no exponential underflows, which would take forty times as long: whatever is NEGLIGIBLE
    beside the largest counts as that much."""
    top = exponents.amax(dim=1, keepdim=True)
    return exponents.sub_(top).clamp_(min=NEGLIGIBLE).exp_().sum(dim=1).log_() + top[:, 0]


TURNS = 4
"""Turns of the angle, on each side of its mean, that count: the rest are more than seven standard deviations away."""
UNDERFLOW = -600.0
"""Below, exponentials in float64 soon underflow, which takes forty times as long."""


def roll_density(y: Tensor) -> Tensor:
    """Compute the density p_Y of the noisy roll, eqns (33)–(35), at y [..., 2] → [...], in float64.

    y = r [cos ν₁, sin ν₁] is a change of variables whose determinant is |r|, so every (ν₁, r) of y gives
    N(ν₁; 10, 3) N(r − 0.4 ν₁; 0, 0.2)/|r|: r is |y| or −|y|, and ν₁ is known but for whole turns. No sample, no kernel.
    """
    y = y.double()
    radius = torch.linalg.vector_norm(y, dim=-1).clamp_min(1e-12)
    direction = torch.atan2(y[..., 1], y[..., 0])
    first = ANGLE - math.remainder(ANGLE, 2 * math.pi)  # the whole turns nearest the mean
    total = torch.zeros_like(radius)
    for sign, opposite in ((1, 0.0), (-1, math.pi)):
        for turn in range(-TURNS, TURNS + 1):
            angle = direction + opposite + first + 2 * math.pi * turn
            off = (angle - ANGLE) / SPREAD, (sign * radius - GROWTH * angle) / NOISE
            exponent = (off[0].square() + off[1].square()).div_(-2).clamp_(min=UNDERFLOW)
            total += exponent.exp_()
    density: Tensor = total / (2 * math.pi * SPREAD * NOISE * radius)
    return density


def paper_density(seed: int = 0, samples: int = SAMPLES) -> KernelDensity:
    """Make the paper's density: 50,000 samples of the noiseless roll, bandwidth 0.2."""
    points = swiss_roll(np.random.default_rng(seed), samples, noise=0.0)
    return KernelDensity(torch.from_numpy(points))


def downscaled(samples: int, seed: int = 1) -> Tensor:
    """Draw test inputs x = (y₁ + y₂)/2 of fresh points of the noisy roll: [samples]."""
    return torch.from_numpy(swiss_roll(np.random.default_rng(seed), samples)).mean(dim=1)


def on_line(x: Tensor, t: Tensor) -> Tensor:
    """Return the HR points whose mean is x: (x + t, x − t), [..., 2]."""
    return torch.stack([x + t, x - t], dim=-1)


@dataclass(frozen=True, eq=False)
class DensityMap:
    """The same density on a regular grid: for looking up many points, and for pictures."""

    values: Tensor
    """[n, n] density; first index y₁."""
    low: float
    step: float

    @classmethod
    def of(cls, density: KernelDensity, reach: float = 13.0, step: float = 0.02) -> "DensityMap":
        """Bin the samples in [−reach, reach]² with side `step` and blur by the kernel."""
        n = round(2 * reach / step)
        edges = [np.linspace(-reach, reach, n + 1)] * 2
        points = density.points.numpy()
        counts, _, _ = np.histogram2d(points[:, 0], points[:, 1], bins=edges)
        radius = math.ceil(6 * density.bandwidth / step)
        offsets = step * torch.arange(-radius, radius + 1)
        taps = (-0.5 * (offsets / density.bandwidth).square()).exp()
        taps /= taps.sum()
        image = torch.from_numpy(counts / (len(points) * step**2)).float()[None, None]
        image = functional.conv2d(image, taps[None, None, :, None], padding=(radius, 0))
        image = functional.conv2d(image, taps[None, None, None, :], padding=(0, radius))
        return cls(image[0, 0], -reach, step)

    def prob(self, y: Tensor) -> Tensor:
        """Interpolate p(y) for y [..., 2] bilinearly between the cells' centres; 0 outside."""
        n = len(self.values)
        at = ((y - self.low) / (n * self.step)) * 2 - 1  # −1 … 1 from edge to edge
        grid = at.flip(-1).reshape(1, 1, -1, 2).float()
        values = functional.grid_sample(self.values[None, None], grid, align_corners=False)
        return values.reshape(y.shape[:-1])


def map_estimates(x: Tensor, density: KernelDensity, grid: DensityMap, reach: float = 12.0) -> Tensor:
    """Find argmax p(y) over y with (y₁ + y₂)/2 = x by brute force: [N] → [N, 2].

    First the whole line at steps of 0.01 on the grid, then around the best at steps of 0.005 on the density.
    """
    t = torch.arange(-reach, reach, 0.01)
    best = torch.cat([t[grid.prob(on_line(some[:, None], t)).argmax(dim=1)] for some in torch.split(x, 256)])
    fine = best[:, None] + torch.arange(-0.01, 0.0101, 0.005)
    log_prob = density.log_prob(on_line(x[:, None], fine).reshape(-1, 2)).reshape(fine.shape)
    chosen = fine.gather(1, log_prob.argmax(dim=1, keepdim=True))[:, 0]
    return on_line(x, chosen)
