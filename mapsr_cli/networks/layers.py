"""Layers that several networks share: 3×3 convolutions with their normalisation, and noise beside an input."""

from torch import Tensor, cat, nn

from mapsr_cli.errors import UsageError


def convolution(
    inputs: int, outputs: int, *, kernel: int = 3, stride: int = 1, batch_norm: bool = True
) -> nn.Sequential:
    """Make a convolution, 3×3 by default, then batch normalisation (in place of a bias), initialised for a ReLU."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=1, bias=not batch_norm)
    nn.init.kaiming_normal_(conv.weight)
    if conv.bias is not None:
        nn.init.zeros_(conv.bias)
        return nn.Sequential(conv)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs))


def noise_dim_of(network: nn.Module) -> int:
    """Count the noise maps that a network takes beside its image; 0 if it is deterministic or has no config."""
    return int(getattr(getattr(network, "config", None), "noise_dim", 0))


def with_noise(x: Tensor, z: Tensor | None, noise_dim: int) -> Tensor:
    """Concatenate x [N, colours, h, w] and, where `noise_dim` > 0, z [N, noise_dim, h, w].

    Raises UsageError if z is missing, not of that shape, or given to a network without noise.
    """
    wanted = (x.shape[0], noise_dim, *x.shape[2:])
    if z is None and noise_dim == 0:
        return x
    if z is None or noise_dim == 0:
        what = "takes no noise" if noise_dim == 0 else f"needs noise maps z {list(wanted)}"
        raise UsageError(f"this generator {what}", "z goes with noise_dim > 0")
    if z.shape != wanted:
        raise UsageError(f"noise maps z are {list(z.shape)}, not {list(wanted)}")
    return cat([x, z.to(x.dtype)], dim=1)


def told_of(network: nn.Module) -> int:
    """Count the numbers that a network is told of its original; 0 if none, or if it has no config."""
    return int(getattr(getattr(network, "config", None), "told", 0))


def with_told(x: Tensor, told: Tensor | None, count: int) -> Tensor:
    """Concatenate x [N, C, h, w] and `count` numbers `told` [N or 1, count], each as a constant map.

    Without `told` they are zeros. Raises UsageError for another number of them.
    """
    if count == 0 and told is None:
        return x
    values = x.new_zeros(1, count) if told is None else told.to(x.dtype)
    if values.dim() != 2 or values.shape[1] != count or len(values) not in (1, len(x)):
        raise UsageError(f"this generator is told {count} numbers of each original, not {list(values.shape)}")
    return cat([x, values.view(-1, count, 1, 1).expand(len(x), -1, *x.shape[2:])], dim=1)
