"""A convolution and what follows it in one pass over memory, for inference on a processor.

oneDNN can apply a ReLU, or add to what is there, while a convolution's result is still in registers; torch offers that
to its own compiler alone (`torch.ops.mkldnn`). It is used only where a trial shows that it is there and gives what the
separate operations give; anywhere else, and in training, these are what runs.
"""

import math
from functools import cache
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional


def conv_relu(conv: nn.Conv2d, x: Tensor, slope: float = 0.0) -> Tensor:
    """Compute relu(conv(x)), leaky where `slope`, that of negative values, is not 0."""
    if _fusible(x):
        fused = torch.ops.mkldnn._convolution_pointwise
        return cast(Tensor, fused(x, *_settings(conv), *(("leaky_relu", [slope], "") if slope else ("relu", [], ""))))
    h: Tensor = conv(x)
    return functional.leaky_relu(h, slope, inplace=True) if slope else functional.relu(h, inplace=True)


def conv_add(conv: nn.Conv2d, x: Tensor, onto: Tensor) -> Tensor:
    """Compute onto + conv(x); in inference mode `onto` may be overwritten."""
    if _fusible(x):
        fused = torch.ops.mkldnn._convolution_pointwise_.binary
        return cast(Tensor, fused(onto, x, *_settings(conv), "add", 1.0, None, [], None))
    change: Tensor = conv(x)
    return onto + change


def _settings(conv: nn.Conv2d) -> tuple[object, ...]:
    return conv.weight, conv.bias, conv.padding, conv.stride, conv.dilation, conv.groups


def _fusible(x: Tensor) -> bool:
    if torch.compiler.is_compiling() or not torch.is_inference_mode_enabled() or torch.is_autocast_enabled("cpu"):
        return False  # autocast casts the operations that it knows, and these are none of them
    return type(x) is Tensor and x.device.type == "cpu" and _works(x.dtype)


@cache
def _works(dtype: torch.dtype) -> bool:
    """Try whether the fused operations exist and give what the separate ones give."""
    x, weight, bias = (_wave(*shape).to(dtype) for shape in ((1, 8, 5, 5), (8, 8, 3, 3), (8,)))
    sizes = ((1, 1), (1, 1), (1, 1), 1)
    try:
        pointwise = torch.ops.mkldnn._convolution_pointwise
        relu = pointwise(x, weight, bias, *sizes, "relu", [], "")
        leaky = pointwise(x, weight, bias, *sizes, "leaky_relu", [0.1], "")
        fused = torch.ops.mkldnn._convolution_pointwise_.binary
        added = fused(x.clone(), x, weight, bias, *sizes, "add", 1.0, None, [], None)
    except (AttributeError, RuntimeError, TypeError):
        return False
    plain = functional.conv2d(x, weight, bias, padding=1)
    alike = _alike(relu, plain.relu()) and _alike(leaky, functional.leaky_relu(plain, 0.1))
    return alike and _alike(added, x + plain)


def _wave(*shape: int) -> Tensor:
    """Make numbers between −1 and 1; random ones would change the user's random state."""
    return torch.arange(math.prod(shape), dtype=torch.float32).sin().view(shape)


def _alike(a: Tensor, b: Tensor) -> bool:
    tolerance = torch.finfo(a.dtype).eps ** 0.5
    return torch.allclose(a, b, tolerance, tolerance)
