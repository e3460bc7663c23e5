"""A model as other people's code wants it: one nn.Module from LR to HR."""

import torch
from torch import Tensor, nn

from mapsr_cli.operators import downsampling
from mapsr_cli.zoo import Model, find_model, load_model


class Estimator(nn.Module):
    """x [N, 3, h, w] in [0, 1] → ŷ [N, 3, s·h, s·w] in [0, 1]: the network and its constraint, differentiable.

    With `clamp` off, ŷ is the estimate itself: Π f(x) (eqn (7)), which A takes back to x, and which may leave [0, 1] a
    little. `Upscaler` keeps both at once, in whole levels.
    """

    def __init__(self, model: Model, clamp: bool = True) -> None:
        super().__init__()
        self.network, self.kernel, self.card, self.clamp = model.network, model.kernel, model.card, clamp
        self.noise_dim = model.noise_dim

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """The estimate for x, drawn with noise z [N, noise_dim, h, w] (default: standard normal) if it takes any."""
        if self.noise_dim:
            f: Tensor = self.network(x, _noise(x, self.noise_dim) if z is None else z)
        else:
            f = self.network(x)
        estimate = self._project(f, x) if self.card.constraint == "affine" else f
        return estimate.clamp(0, 1) if self.clamp else estimate

    def _project(self, f: Tensor, x: Tensor) -> Tensor:
        """Π f, in float32 at least."""
        dtype = torch.promote_types(x.dtype, torch.float32)
        op = downsampling(self.kernel, (f.shape[-2], f.shape[-1]), dtype, x.device)
        return op.project(f.to(dtype).contiguous(), x.to(dtype))


def _noise(x: Tensor, maps: int) -> Tensor:
    return torch.randn(x.shape[0], maps, *x.shape[2:], device=x.device, dtype=x.dtype)


def load(name: str, *, clamp: bool = True) -> Estimator:
    """A model as an nn.Module: x [N, 3, h, w] in [0, 1] → [N, 3, s·h, s·w] in [0, 1], in eval mode, on the CPU.

    `name` is a bundled model, a `.safetensors` file, a folder that holds one, or `org/repo[@revision]` on the Hub,
    fetched if it is not in the cache. With `clamp` off, the estimate is exactly what A takes back to x. Its
    parameters need `requires_grad_()` before training. Raises CheckpointError or HubError.
    """
    return Estimator(load_model(find_model(name)), clamp).eval()
