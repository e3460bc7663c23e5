"""LPIPS and DISTS: distances in the features of networks whose weights are downloaded at first use."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor

from mapsr_cli.errors import ImageError, MapsrError, MissingExtraError
from mapsr_cli.evaluation.diversity import DenseDistance

SMALLEST = 31
"""Pixels a side of an image that AlexNet's three poolings leave something of."""

Measure = Callable[[Tensor, Tensor], float | None]
"""(estimate, truth), both [3, H, W] in [0, 1] → a number; None where the image is too small for it."""


@dataclass(frozen=True)
class Perceptual:
    """The distances, ready to use."""

    lpips: Measure
    """AlexNet; 0 where equal (Zhang et al., 2018)."""
    dists: Measure
    """VGG-16; 0 where equal (Ding et al., 2020)."""
    dense_lpips: DenseDistance
    """LPIPS at each pixel, for the diversity score."""


def load_perceptual() -> Perceptual:
    """Load both networks.

    Raises MissingExtraError without torchmetrics or torchvision, MapsrError where torchvision belongs to another torch,
    or where the weights are neither in torch's cache nor to be downloaded.
    """
    try:
        import_module("torchvision")
        from torchmetrics.image import DeepImageStructureAndTextureSimilarity, LearnedPerceptualImagePatchSimilarity
    except ImportError as error:
        raise MissingExtraError("LPIPS and DISTS", "perceptual") from error
    except RuntimeError as error:
        raise MapsrError(
            f"torchvision cannot be imported: {str(error).splitlines()[0]}",
            f"install the torchvision that was built for torch {torch.__version__}",
        ) from error
    try:
        lpips = LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True)
        dists = DeepImageStructureAndTextureSimilarity()
    except OSError as error:  # urllib's errors are OSErrors
        raise MapsrError(
            f"the weights of AlexNet and VGG-16 cannot be downloaded ({error}): no LPIPS, no DISTS",
            f"with access to download.pytorch.org, once; or put alexnet-owt-7be5be79.pth and vgg16-397923af.pth into "
            f"{torch.hub.get_dir()}/checkpoints",
        ) from error

    return Perceptual(
        lpips=lambda a, b: lpips(*_batches(a, b)).item(),
        dists=lambda a, b: dists(*_batches(a, b)).item(),
        dense_lpips=lambda samples, truth: _dense(lpips.net, *_batches(samples, truth)),
    )


def _batches(images: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Make two batches of the same size of [..., 3, H, W] and [3, H, W]."""
    if min(truth.shape[-2:]) < SMALLEST:
        size = f"{truth.shape[-1]}×{truth.shape[-2]}"
        raise ImageError(f"{size} pixels are too few for LPIPS and DISTS: {SMALLEST}×{SMALLEST} at least")
    batch = images.reshape(-1, *truth.shape)
    return batch, truth.expand_as(batch)


@torch.inference_mode()
def _dense(net: Any, images: Tensor, truth: Tensor) -> Tensor:
    """Compute LPIPS at each pixel, features enlarged to the images' size: two [N, 3, H, W] → [N, H, W]."""
    net.spatial = True
    try:
        maps: Tensor = net(images, truth, normalize=True)
    finally:
        net.spatial = False
    return maps[:, 0]
