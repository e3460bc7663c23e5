"""Without a network: what is said where packages or weights are missing, and how the metrics are called."""

import sys
from pathlib import Path
from types import ModuleType
from urllib.error import URLError

import pytest
import torch
import torchmetrics.image
from torch import Tensor, nn

from mapsr_cli.errors import ImageError, MapsrError, MissingExtraError, install_command
from mapsr_cli.evaluation.perceptual import load_perceptual


class FakeLpips(nn.Module):
    """|a − b| as LPIPS' network calls it: a map if `spatial`, else its mean."""

    def __init__(self) -> None:
        super().__init__()
        self.spatial = False

    def forward(self, a: Tensor, b: Tensor, normalize: bool) -> Tensor:
        assert normalize
        maps = (a - b).abs().mean(1, keepdim=True)
        return maps if self.spatial else maps.mean((-2, -1), keepdim=True)


class FakeMetric:
    def __init__(self, **_: object) -> None:
        self.net = FakeLpips()

    def __call__(self, a: Tensor, b: Tensor) -> Tensor:
        return self.net.forward(a, b, normalize=True).mean()


@pytest.fixture
def torchvision(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """As if torchvision were installed, with metrics that need no weights."""
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    for name in ("LearnedPerceptualImagePatchSimilarity", "DeepImageStructureAndTextureSimilarity"):
        monkeypatch.setattr(torchmetrics.image, name, FakeMetric, raising=False)
    return monkeypatch


def test_without_torchvision_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    with pytest.raises(MissingExtraError, match="LPIPS and DISTS") as caught:
        load_perceptual()
    assert caught.value.hint == install_command("perceptual")


def test_a_torchvision_for_another_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MapsrError, match="nms does not exist") as caught:
        load_perceptual()
    assert torch.__version__ in caught.value.hint


def test_weights_that_cannot_be_downloaded(torchvision: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise URLError("Name or service not known")

    torchvision.setattr(torchmetrics.image, "LearnedPerceptualImagePatchSimilarity", refuse)
    with pytest.raises(MapsrError, match="cannot be downloaded") as caught:
        load_perceptual()
    assert "alexnet-owt-7be5be79.pth" in caught.value.hint
    assert "checkpoints" in caught.value.hint


def test_one_number_and_one_per_pixel(torchvision: pytest.MonkeyPatch) -> None:
    perceptual = load_perceptual()
    samples, truth = torch.rand(4, 3, 31, 32), torch.rand(3, 31, 32)
    maps = perceptual.dense_lpips(samples, truth)
    assert maps.shape == (4, 31, 32)
    assert perceptual.lpips(samples[0], truth) == pytest.approx(maps[0].mean().item())
    assert perceptual.dists(truth, truth) == 0


def test_images_that_the_networks_cannot_see(torchvision: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageError, match="30×40 pixels are too few"):
        load_perceptual().lpips(torch.rand(3, 40, 30), torch.rand(3, 40, 30))
