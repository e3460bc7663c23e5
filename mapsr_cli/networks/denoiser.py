"""The paper's denoising autoencoder for images (Appendix D), and its noise-conditional twin."""

from dataclasses import dataclass
from itertools import pairwise

from torch import Tensor, as_tensor, cat, nn

from mapsr_cli.configs import Count, CountTuple
from mapsr_cli.errors import UsageError
from mapsr_cli.networks.layers import convolution


@dataclass(frozen=True)
class DenoiserConfig:
    """Sizes and options of a Denoiser."""

    colours: Count = 3
    """Image channels."""
    widths: CountTuple = (128, 128, 128, 128)
    """Feature maps of each hidden layer; the output layer comes on top."""
    conditional: bool = False
    """Take the noise's standard deviation as an input, so that one network serves every σ."""
    batch_norm: bool = True
    """Normalise after each hidden convolution, as the paper does."""


class Denoiser(nn.Module):
    """f_DAE(y + ε): [N, colours, H, W] → the estimate of y, same shape; the score is (f_DAE(y) − y)/σ², eqn (12).

    Four layers of 128 maps with ReLU and batch normalisation are the paper's. Chosen here, where it is silent: 3×3
    kernels; an output layer on top; the network gives the *change*, f(y) = y + g(y) (with σ: y + σ·g(y, σ)), and
    starts at g = 0, as a score at σ = 0.01 is a change multiplied by 10⁴. With `conditional`, σ is one more input map.
    """

    def __init__(self, config: DenoiserConfig) -> None:
        super().__init__()
        self.config = config
        layers: list[nn.Module] = []
        for a, b in pairwise((config.colours + config.conditional, *config.widths)):
            layers += [convolution(a, b, batch_norm=config.batch_norm), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.tail = nn.Conv2d(config.widths[-1], config.colours, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)  # type: ignore[arg-type]

    def forward(self, y: Tensor, sigma: Tensor | float | None = None) -> Tensor:
        """Map y [N, colours, H, W] and sigma, [N] or a number (read if `conditional`), to [N, colours, H, W].

        Raises UsageError if the network is conditional and sigma is missing.
        """
        if not self.config.conditional:
            return y + self._change(y - 0.5)
        level = noise_level(y, sigma)
        inputs = cat([y - 0.5, level.expand(-1, 1, *y.shape[2:])], dim=1)
        return y + level * self._change(inputs)

    def _change(self, inputs: Tensor) -> Tensor:
        change: Tensor = self.tail(self.body(inputs))
        return change


def noise_level(y: Tensor, sigma: Tensor | float | None) -> Tensor:
    """Reshape sigma, [N] or a number, to [N, 1, 1, 1] beside y [N, …]. Raises UsageError if there is none."""
    if sigma is None:
        raise UsageError("this denoiser is noise-conditional: it needs sigma")
    return as_tensor(sigma, dtype=y.dtype, device=y.device).reshape(-1, 1, 1, 1).expand(y.shape[0], 1, 1, 1)
