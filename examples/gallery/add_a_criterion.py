"""Train by a criterion of one's own, in a plain loop: Charbonnier's error under the projection.

To give it a name, settings and tests of its own: docs/add-a-criterion.md.

    python examples/gallery/add_a_criterion.py OUT [STEPS]
"""

import sys

import torch
from torch import Tensor

from mapsr_cli.criteria.base import Criterion, CriterionConfig, Scalars
from mapsr_cli.networks import Affine, Compact, CompactConfig, Estimator
from mapsr_cli.operators import make_kernel


class Charbonnier(Criterion):
    """ℓ = mean √((y − ŷ)² + ε²): a smooth MAE."""

    def loss(self, estimate: Tensor, truth: Tensor, progress: float) -> tuple[Tensor, Scalars]:
        """Compute the error."""
        value = ((estimate - truth).square() + 1e-6).sqrt().mean()
        return value, {"loss": value.detach()}


steps = int(sys.argv[2]) if len(sys.argv) > 2 else 100
torch.manual_seed(0)
estimator = Estimator(Compact(CompactConfig(channels=16, blocks=1)), Affine(make_kernel("bicubic", 4)))
criterion = Charbonnier(CriterionConfig())
optimiser = criterion.config.optimiser(estimator)

losses = []
for step in range(steps):
    y = torch.nn.functional.interpolate(torch.rand(4, 3, 12, 12), scale_factor=4)  # squares: edges to learn
    x = estimator.constraint.down(y)
    loss, _ = criterion.loss(estimator(x), y, step / steps)
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    optimiser.step()
    losses.append(loss.item())

print(f"loss {sum(losses[:5]) / 5:.4f} at first, {sum(losses[-5:]) / 5:.4f} at the end")
