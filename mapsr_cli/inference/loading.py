"""A model as other people's code wants it: one nn.Module from LR to HR."""

from mapsr_cli.networks import Estimator
from mapsr_cli.zoo import find_model, load_model


def load(name: str, *, clamp: bool = True) -> Estimator:
    """Load a model as an nn.Module: x [N, 3, h, w] in [0, 1] → ŷ [N, 3, s·h, s·w] in [0, 1], in eval mode, on the CPU.

    `name` is a bundled model, a `.safetensors` file, a folder that holds one, or `org/repo[@revision]` on the Hub,
    fetched if it is not in the cache. With `clamp` off, the estimate is Π f(x), which A takes back to x; of a model
    that was trained with a learnt A⁺, f + B(x − A f), as it was trained. Parameters need `requires_grad_()` before
    training. Raises CheckpointError or HubError.
    """
    return load_model(find_model(name)).estimator(clamp).eval()
