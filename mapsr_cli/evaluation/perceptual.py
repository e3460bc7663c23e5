"""LPIPS and DISTS: distances in the features of networks whose weights are downloaded at first use."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mapsr_cli.errors import MapsrError, MissingExtraError
from mapsr_cli.evaluation.diversity import DenseDistance

Measure = Callable[[Tensor, Tensor], float]
"""(estimate, truth), both [3, H, W] in [0, 1] → a distance."""


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
        import torchvision  # type: ignore[import-not-found]  # noqa: F401
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

    def dense(samples: Tensor, truth: Tensor) -> Tensor:
        return _spatial(lpips.net, samples, truth)

    return Perceptual(lambda a, b: lpips(a[None], b[None]).item(), lambda a, b: dists(a[None], b[None]).item(), dense)


@torch.inference_mode()
def _spatial(net: Any, samples: Tensor, truth: Tensor) -> Tensor:
    """LPIPS before its mean over pixels, features enlarged to the image's size: [S, 3, H, W], [3, H, W] → [S, H, W]."""
    net.spatial = True
    try:
        maps: Tensor = net(samples, truth.expand_as(samples), normalize=True)
    finally:
        net.spatial = False
    return maps[:, 0]
