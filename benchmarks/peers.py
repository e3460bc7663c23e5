"""Other people's networks for bicubic ×4, from clones of their repositories side by side in one folder.

    git clone https://github.com/bytedance/RLFN                    # Apache-2.0
    git clone https://github.com/Zheng-MJ/SMFANet                  # Apache-2.0
    git clone https://github.com/Amazingren/NTIRE2024_ESR          # MIT
    git clone https://github.com/Amazingren/NTIRE2026_ESR          # MIT; HAESR needs `pip install einops`

Their weights are read with `weights_only=True`, and every key must be there. Some files import parts of BasicSR or
torchvision that inference does not use: empty modules stand in for them.
"""

import importlib.util
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest.mock import patch

import torch
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True)
class Peer:
    """Where a network's code and weights lie in a clone."""

    file: str
    """Its code: a path that begins with the clone's folder."""
    made_by: str
    """Class in that file."""
    weights: str
    """As `file`."""
    settings: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of the class."""
    under: str | None = None
    """Key of the weights in their file; None: the file is the weights."""
    window: int = 1
    """Sides that it takes are multiples of this."""
    peak: float = 1
    """White."""
    contiguous: bool = False
    """Whether channels-last tensors take it minutes."""


PEERS = {
    "RLFN-S": Peer("RLFN/model/rlfn_s.py", "RLFN_S", "RLFN/model_zoo/rlfn_s_x4.pth", peak=255),
    "RLFN": Peer("RLFN/model/rlfn.py", "RLFN", "RLFN/model_zoo/rlfn_x4.pth", peak=255),
    "SMFANet": Peer(
        "SMFANet/basicsr/archs/SMFANet_arch.py",
        "SMFANet",
        "SMFANet/pretrain/SMFANet_DF2K_100w_x4SR.pth",
        {"dim": 36, "n_blocks": 8, "upscaling_factor": 4},
        "params",
    ),
    "SMFANet+": Peer(
        "SMFANet/basicsr/archs/SMFANet_arch.py",
        "SMFANet",
        "SMFANet/pretrain/SMFANet_plus_DF2K_100w_x4SR.pth",
        {"dim": 48, "n_blocks": 12, "upscaling_factor": 4},
        "params",
    ),
    "SPAN, 28 channels": Peer(
        "NTIRE2024_ESR/models/team38_SPAN.py",
        "SPAN30",
        "NTIRE2024_ESR/model_zoo/team38_span_ch28_slim.pth",
        {"num_in_ch": 3, "num_out_ch": 3, "upscale": 4, "feature_channels": 28},
    ),
    "HAESR": Peer(
        "NTIRE2026_ESR/models/team06_HAESR.py",
        "HAESR",
        "NTIRE2026_ESR/model_zoo/team06_HAESR.pth",
        {
            "num_feat": 48,
            "upsampling": 4,
            "window_size": 8,
            "res_num": 3,
            "block_num": 1,
            "bias": True,
            "ffn_bias": True,
            "pe": True,
        },
        "params_ema",
        window=8,
        contiguous=True,
    ),
}


class Fitted(nn.Module):
    """A network of another range, or for multiples of `window` alone: pictures are mirrored to one and cut again."""

    def __init__(self, network: nn.Module, window: int, peak: float) -> None:
        super().__init__()
        self.network, self.window, self.peak = network, window, peak

    def forward(self, x: Tensor) -> Tensor:
        """Map x [N, 3, h, w] in 0 … 1 to [N, 3, s·h, s·w]."""
        height, width = x.shape[-2:]
        right, below = -width % self.window, -height % self.window
        if right or below:
            x = functional.pad(x, (0, right, 0, below), mode="reflect")
        y: Tensor = self.network(x) if self.peak == 1 else self.network(self.peak * x).div_(self.peak)
        scale = y.shape[-1] // x.shape[-1]
        return y[..., : scale * height, : scale * width]


def load_peer(name: str, clones: Path) -> nn.Module:
    """Load a row of PEERS: LR [N, 3, h, w] in 0 … 1 → HR. Raises OSError or ImportError where something is missing."""
    peer = PEERS[name]
    with _importable(clones / Path(peer.file).parts[0]):
        spec = importlib.util.spec_from_file_location(f"peer_{Path(peer.file).stem}", clones / peer.file)
        if spec is None or spec.loader is None:
            raise ImportError(f"{peer.file} is no Python file")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    with patch.object(nn.Module, "cuda", torch.nn.Module.cpu), patch.object(Tensor, "cuda", Tensor.cpu):
        network: nn.Module = getattr(module, peer.made_by)(**peer.settings)  # SPAN's tries itself on a GPU
    weights = torch.load(clones / peer.weights, map_location="cpu", weights_only=True)
    network.load_state_dict(weights if peer.under is None else weights[peer.under])
    network.eval().requires_grad_(False)
    return Fitted(network, peer.window, peer.peak)


@contextmanager
def _importable(clone: Path) -> Iterator[None]:
    """Let a clone's files import one another, and what stands in for packages that they do not use."""
    before = dict(sys.modules)
    sys.path.insert(0, str(clone))
    registry = ModuleType("basicsr.utils.registry")
    registry.ARCH_REGISTRY = _Registry()  # type: ignore[attr-defined]
    vision = ModuleType("torchvision")
    vision.ops = ModuleType("torchvision.ops")  # type: ignore[attr-defined]
    stand_ins = [registry, vision, ModuleType("basicsr"), ModuleType("basicsr.utils")]
    sys.modules.update({module.__name__: module for module in stand_ins})
    try:
        yield
    finally:
        sys.path.remove(str(clone))
        for name, module in list(sys.modules.items()):
            if module in stand_ins or str(clone) in (getattr(module, "__file__", None) or ""):
                del sys.modules[name]
        sys.modules.update(before)


class _Registry:
    """BasicSR's list of networks, which nobody asks here."""

    def register(self) -> Any:
        return lambda network: network
