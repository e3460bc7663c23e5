"""A GPU that is not there: shapes, dtypes and devices are real, the numbers are not (FakeTensorMode).

This build of torch cannot copy to a device it was not built for, not even a fake one: everything is made there anew.
"""

from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from mapsr_cli.operators import Downsampling, Kernel, downsampling
from mapsr_cli.operators.axis import Axis
from mapsr_cli.operators.banded import AxisMap, Banded
from mapsr_cli.operators.blocks import Blocks, RowBlock
from mapsr_cli.operators.border import Border
from mapsr_cli.operators.resized_axis import ResizedAxis


def empty_twin(tensor: Tensor) -> Tensor:
    """As large, of the same dtype, on the GPU."""
    return torch.empty(tensor.shape, dtype=tensor.dtype, device="cuda")


def move_module(module: nn.Module) -> None:
    """Put every parameter and buffer on the GPU, in place."""
    for part in module.modules():
        for name, parameter in part._parameters.items():
            if parameter is not None:
                part._parameters[name] = nn.Parameter(empty_twin(parameter), parameter.requires_grad)
        for name, buffer in part._buffers.items():
            if buffer is not None:
                part._buffers[name] = empty_twin(buffer)


def on_fake_cuda(op: Downsampling) -> Downsampling:
    """The operator as `downsampling(…, device="cuda")` would build it, had this machine a GPU."""

    def moved(part: object) -> object:
        if isinstance(part, Tensor):
            return empty_twin(part)
        if isinstance(part, tuple):
            return tuple(map(moved, part))
        if isinstance(part, Downsampling | Axis | ResizedAxis | AxisMap | Banded | Blocks | RowBlock | Border):
            parts: dict[str, Any] = {f.name: moved(getattr(part, f.name)) for f in fields(part)}
            twin = replace(part, **parts)
            if isinstance(part, Axis | ResizedAxis):  # what it would build when first asked, real: kept for all
                with unset_fake_temporarily():
                    inverse = part.inverse_gram
                vars(twin)["inverse_gram"] = moved(inverse)
            return twin
        return part

    result = moved(op)
    assert isinstance(result, Downsampling)
    return result


class Detours(TorchFunctionMode):
    """Ways around what such a build cannot do on its fake GPU, with the same shapes and devices."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is Tensor.contiguous:
            return args[0].clone(**{"memory_format": torch.contiguous_format, **(kwargs or {})})
        if func is Tensor.__getitem__:
            return _sliced(*args)
        if func is functional.batch_norm:  # by its running statistics, as it could not update them
            return func(*args[:5], **{**(kwargs or {}), "training": False})
        return func(*args, **(kwargs or {}))


def _sliced(tensor: Tensor, index: Any) -> Tensor:
    """`tensor[index]` for numbers, slices and new axes."""
    wanted = index if isinstance(index, tuple) else (index,)
    if Ellipsis in wanted:
        gap = wanted.index(Ellipsis)
        named = len(wanted) - 1 - wanted.count(None)
        full = (slice(None),) * (tensor.dim() - named)
        wanted = (*wanted[:gap], *full, *wanted[gap + 1 :])
    dim = 0
    for part in wanted:
        if isinstance(part, int):
            tensor = tensor.select(dim, part)
            continue
        if part is None:
            tensor = tensor.unsqueeze(dim)
        else:
            start, stop, step = part.indices(tensor.shape[dim])
            assert step == 1
            tensor = tensor.narrow(dim, start, max(stop - start, 0))
        dim += 1
    return tensor


class FakeDownsampling:
    """Stands for `downsampling`; the operators must have been made on the CPU before."""

    def __init__(self) -> None:
        self.made: dict[tuple[Kernel, tuple[int, int]], Downsampling] = {}

    def prepare(self, kernel: Kernel, size: tuple[int, int]) -> None:
        """Make A for one HR size."""
        self.made[kernel, size] = downsampling(kernel, size)

    def __call__(self, kernel: Kernel, size: tuple[int, int], dtype: torch.dtype, device: torch.device) -> Downsampling:
        assert device.type == "cuda"
        assert dtype == torch.float32
        return on_fake_cuda(self.made[kernel, size])
