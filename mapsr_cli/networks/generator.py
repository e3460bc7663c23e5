"""The paper's generator for images (Appendix D): convolutions in LR space, pixel shuffle, sigmoid."""

from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.configs import Count, CountTuple, NonNegative
from mapsr_cli.networks.layers import convolution, with_noise


@dataclass(frozen=True)
class PaperGeneratorConfig:
    """Sizes and options of a PaperGenerator."""

    scale: Count = 4
    """HR pixels per LR pixel."""
    colours: Count = 3
    """Image channels."""
    noise_dim: NonNegative = 0
    """Noise maps beside the LR image (Appendix F); 0: a deterministic generator."""
    widths: CountTuple = (32, 32, 64, 64, 128)
    """Feature maps of each hidden layer; the output layer comes on top."""
    skip_every: Count = 2
    """Hidden layers that a skip connection spans."""


class PaperGenerator(nn.Module):
    """f(x): LR [N, colours, h, w] in [0, 1] → [N, colours, s·h, s·w] in (0, 1).

    Appendix D gives depths, widths, ReLU and batch normalisation in all layers but the output, skips "similar to Huang
    et al., 2016" and the final sigmoid. Chosen here, where it is silent: 3×3 kernels throughout; hidden layers as
    printed, then an output layer of colours·s² maps and the pixel shuffle (for grass it is the sixth of the six
    layers, whose width the paper leaves out; for the others it is extra, as no printed width fits it); skips as in the
    residual networks of Huang et al. (stochastic depth): after every `skip_every` hidden layers the group's input is
    added before the last ReLU, with maps of zeros where the width grows (no parameters), the image itself being the
    first group's input; a group that is not complete has no skip. x − 0.5 enters, so that zero padding is grey.
    """

    detail: ClassVar[bool] = False
    """As in `Compact`."""

    def __init__(self, config: PaperGeneratorConfig) -> None:
        super().__init__()
        self.config = config
        widths = (config.colours + config.noise_dim, *config.widths)
        self.body = nn.ModuleList(convolution(a, b) for a, b in pairwise(widths))
        self.tail = nn.Conv2d(widths[-1], config.colours * config.scale**2, 3, padding=1)

    @property
    def receptive_field(self) -> int:
        """Radius of the receptive field in LR pixels (in eval mode: batch statistics depend on every pixel)."""
        return len(self.config.widths) + 1

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """Map x [N, colours, h, w] (and z [N, noise_dim, h, w]) to [N, colours, s·h, s·w]."""
        h = kept = with_noise(x - 0.5, z, self.config.noise_dim)
        for depth, layer in enumerate(self.body, 1):
            h = layer(h)
            ends_group = depth % self.config.skip_every == 0
            if ends_group:
                h = h + _with_width(kept, h.shape[1])
            h = functional.relu(h)
            if ends_group:
                kept = h
        return functional.pixel_shuffle(self.tail(h), self.config.scale).sigmoid()


def _with_width(h: Tensor, width: int) -> Tensor:
    """Take the first `width` maps of h, followed by maps of zeros where h has fewer."""
    return functional.pad(h, (0, 0, 0, 0, 0, width - h.shape[1]))
