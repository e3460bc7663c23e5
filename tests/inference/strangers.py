"""A stand-in for spandrel, so that what surrounds other people's networks is tested where spandrel cannot be had."""

import hashlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional


class Nearest(nn.Module):
    """Each pixel repeated, a little brighter, and blurred as far as its one weight reaches."""

    def __init__(self, scale: int) -> None:
        super().__init__()
        self.scale, self.conv = scale, nn.Conv2d(1, 1, 5, padding=2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(x.transpose(0, 1)).transpose(0, 1) + 0.02
        return functional.interpolate(y, scale_factor=self.scale, mode="nearest")


@dataclass
class Descriptor:
    """The part of spandrel's ImageModelDescriptor that is used."""

    model: nn.Module
    scale: int = 4
    input_channels: int = 3
    output_channels: int = 3
    supports_half: bool = False
    supports_bfloat16: bool = True
    size_requirements: Any = field(default_factory=lambda: SimpleNamespace(minimum=0, multiple_of=1))
    architecture: Any = field(default_factory=lambda: SimpleNamespace(id="Nearest"))

    @torch.inference_mode()
    def __call__(self, image: Tensor) -> Tensor:
        y: Tensor = self.model(image)
        return y.clamp(0, 1)


class UnsupportedModelError(Exception):
    """As spandrel's."""


Load = Callable[[dict[str, Any]], Any]


def descriptor_of(weights: dict[str, Any], **said: Any) -> Descriptor:
    """What spandrel would make of `Nearest`'s weights."""
    if weights.keys() != {"conv.weight"}:
        raise UnsupportedModelError
    descriptor = Descriptor(Nearest(said.get("scale", 4)), **said)
    descriptor.model.load_state_dict(weights)
    return descriptor


def install(monkeypatch: pytest.MonkeyPatch, load: Load = descriptor_of) -> None:
    """As if `import spandrel` gave a library that knows what `load` says."""
    module = ModuleType("spandrel")
    stand_in = {
        "__version__": "0",
        "ImageModelDescriptor": Descriptor,
        "UnsupportedModelError": UnsupportedModelError,
        "MAIN_REGISTRY": SimpleNamespace(load=load),
    }
    vars(module).update(stand_in)
    monkeypatch.setitem(sys.modules, "spandrel", module)


def weights() -> dict[str, Tensor]:
    """Nearest's, of a kernel that sums to one."""
    kernel = torch.rand(1, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    return {"conv.weight": kernel / kernel.sum()}


def save_weights(path: Path) -> Path:
    """As a file that spandrel could read: safetensors, or a pickle of tensors alone."""
    if path.suffix == ".safetensors":
        save_file(weights(), path)
    else:
        torch.save({"params": weights()}, path)
    return path


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
