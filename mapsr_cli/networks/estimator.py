"""ŷ = Π f(x): a network and its constraint as one differentiable module."""

import torch
from torch import Tensor, nn

from mapsr_cli.networks.constraints import Constraint
from mapsr_cli.networks.foreign import memory_format_of
from mapsr_cli.networks.layers import noise_dim_of, told_of
from mapsr_cli.operators import Evidence, Kernel, Point
from mapsr_cli.operators.precision import exact_products


class Estimator(nn.Module):
    """ŷ = Π f(x), eqn (7), or Π f(x, z) with noise maps z ~ N(0, I) where the network takes some (Appendix F).

    x [N, C, h, w] in [0, 1] → ŷ [N, C, H, W], which A takes back to x where the constraint projects, and which may
    leave [0, 1] a little. With `clamp` it may not; then A ŷ = x no longer holds exactly.
    """

    def __init__(self, generator: nn.Module, constraint: Constraint, clamp: bool = False) -> None:
        super().__init__()
        self.generator, self.constraint, self.clamp = generator, constraint, clamp

    @property
    def noise_dim(self) -> int:
        """Noise maps that the network takes; 0: it is deterministic."""
        return noise_dim_of(self.generator)

    @property
    def kernel(self) -> Kernel:
        """A's kernel."""
        kernel = self.constraint.kernel
        assert isinstance(kernel, Kernel)  # a network has one factor
        return kernel

    def forward(self, x: Tensor, z: Tensor | None = None, evidence: Evidence | None = None) -> Tensor:
        """Estimate ŷ [N, C, H, W] of x [N, C, h, w]; the projection is in float32 at least, also under autocast.

        `z` [N, noise_dim, h, w]: the noise, by default drawn anew. `evidence`: what the original says, in the unit of
        x, by default A ŷ = x. Raises UsageError for noise that the network does not take.
        """
        if z is None and self.noise_dim:
            z = torch.randn(x.shape[0], self.noise_dim, *x.shape[2:], device=x.device, dtype=x.dtype)
        beside = {} if evidence is None or not told_of(self.generator) else {"told": evidence.told().to(x)}
        seen = x.contiguous(memory_format=memory_format_of(self.generator))
        f: Tensor = self.generator(seen, **beside) if z is None else self.generator(seen, z, **beside)
        dtype = torch.promote_types(x.dtype, torch.float32)
        with exact_products(x.device):
            estimate: Tensor = self.constraint(f.to(dtype).contiguous(), evidence or Point(x.to(dtype)))
        return estimate.clamp(0, 1) if self.clamp else estimate
