"""A teacher's estimates as files: found, turned back, averaged, projected."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mapsr_cli.criteria.base import Patches
from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.operators import downsampling, make_kernel
from mapsr_cli.training.data import DataConfig, open_estimates
from mapsr_cli.training.data.estimates import FOLDERS
from mapsr_cli.training.data.orientation import Orientation, seen
from tests.pictures import save, scene
from tests.training.data.conftest import TINY, write_tar

KERNEL = make_kernel("bicubic", 4)
PLAIN = replace(TINY, augment=False)


PATHS = {"a": Path("a.png"), "b": Path("deep/b.png")}
TRUTHS = {"a": scene(32, 24, seed=1), "b": scene(41, 38, seed=2)}
"""Two pictures, one in a folder of its own, one of no whole number of LR pixels."""


@pytest.fixture
def images(tmp_path: Path) -> Path:
    return estimate(tmp_path / "images", {})


def estimate(folder: Path, changes: Mapping[str, Tensor | float], view: Orientation = (0, False)) -> Path:
    """Write estimates of both pictures, turned so: the truth and a change, by name."""
    for name, path in PATHS.items():
        target = folder / FOLDERS[view] / path
        target.parent.mkdir(parents=True, exist_ok=True)
        pixels = (TRUTHS[name] + changes.get(name, 0.0)).clamp(0, 255)
        save(torch.from_numpy(seen(pixels.numpy(), view).copy()), target)
    return folder


def take(
    images: Path, folder: Path, config: DataConfig = PLAIN, batches: int = 3, start: int = 0, **more: int
) -> list[Patches]:
    data = open_estimates(str(images), folder, 1.0, config, KERNEL, False, **more)
    try:
        return list(islice(data.batches(start), batches))
    finally:
        data.close()


@pytest.mark.parametrize("config", [PLAIN, TINY, replace(TINY, patch=(16, 24)), replace(TINY, patch=(48, 40))])
def test_the_truth_as_estimate_is_the_target(images: Path, tmp_path: Path, config: DataConfig) -> None:
    """Crops, borders and orientations of image and estimate are the same."""
    for batch in take(images, estimate(tmp_path / "teacher", {}), config):
        assert batch.y.shape == (4, 3, *config.patch)
        torch.testing.assert_close(batch.target, batch.y, atol=1e-5, rtol=0)


def test_an_estimate_is_projected_and_blended(images: Path, tmp_path: Path) -> None:
    """A of the target is A y, though A of the estimate is not; and the target is not y."""
    others = {name: scene(truth.shape[1], truth.shape[2], seed=9) - truth for name, truth in TRUTHS.items()}
    folder = estimate(tmp_path / "teacher", others)
    down = downsampling(KERNEL, (16, 16)).down
    whole = take(images, folder, TINY)
    for batch in whole:
        torch.testing.assert_close(down(batch.target), down(batch.y), atol=1e-5, rtol=0)
        assert (batch.target - batch.y).abs().max() > 0.1
    data = open_estimates(str(images), folder, 0.5, TINY, KERNEL, False)
    half = next(data.batches())
    data.close()
    torch.testing.assert_close(half.target, (whole[0].target + half.y) / 2)


def test_orientations_are_turned_back_and_averaged(images: Path, tmp_path: Path) -> None:
    """Errors of opposite sign, one of them in the estimate of the turned picture, are no error of the mean."""
    rng = torch.Generator().manual_seed(3)
    signs = {name: 8.0 * torch.randint(0, 2, truth.shape, generator=rng) - 4 for name, truth in TRUTHS.items()}
    folder = estimate(tmp_path / "teacher", signs)

    def error() -> float:
        return max(float((batch.target - batch.y).abs().mean()) for batch in take(images, folder))

    alone = error()
    estimate(folder, {name: -sign for name, sign in signs.items()}, (1, True))
    assert error() < 0.1 * alone


def test_orientations_that_change_a_are_left_out(images: Path, tmp_path: Path) -> None:
    """`gaussian9` at ×4 lies off its block's centre: an estimate of a mirrored picture is of another A."""
    folder = estimate(tmp_path / "teacher", {})
    estimate(folder, {"a": 90.0, "b": 90.0}, (0, True))
    data = open_estimates(str(images), folder, 1.0, PLAIN, make_kernel("gaussian9", 4), False)
    batch = next(data.batches())
    data.close()
    torch.testing.assert_close(batch.target, batch.y, atol=1e-5, rtol=0)


def test_the_seed_and_the_sample_decide(images: Path, tmp_path: Path) -> None:
    folder = estimate(tmp_path / "teacher", {"a": 10.0 * torch.rand(3, 32, 24)})
    first = [batch.target for batch in take(images, folder, TINY, 4)]
    again = [batch.target for batch in take(images, folder, replace(TINY, workers=2, cache_mb=0), 2, start=2)]
    assert all(torch.equal(a, b) for a, b in zip(again, first[2:], strict=True))
    halves = [take(images, folder, TINY, 4, rank=rank, world=2) for rank in range(2)]
    for a, b, whole in zip(*halves, first, strict=True):
        assert torch.equal(torch.cat([a.target, b.target]), whole)


@pytest.mark.parametrize("size", [(40, 36), (41, 38), (44, 40)])
def test_estimates_of_part_lr_pixels_have_any_size_near_it(images: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    """A picture of 41×38 has 11×10 LR pixels for `mapsr downscale`, 10×9 for test sets."""
    folder = estimate(tmp_path / "teacher", {})
    height, width = size
    padded = torch.nn.functional.pad(TRUTHS["b"][None], (0, 4, 0, 4), "replicate")[0]
    save(padded[:, :height, :width], folder / PATHS["b"])
    for batch in take(images, folder):
        torch.testing.assert_close(batch.target, batch.y, atol=1e-5, rtol=0)


def test_a_list_of_images(images: Path, tmp_path: Path) -> None:
    (images / "all.txt").write_text("a.png\ndeep/b.png\n")
    folder = estimate(tmp_path / "teacher", {})
    for batch in take(images / "all.txt", folder):
        torch.testing.assert_close(batch.target, batch.y, atol=1e-5, rtol=0)


def test_degraded_originals_come_with_them(images: Path, tmp_path: Path) -> None:
    batch = take(images, estimate(tmp_path / "teacher", {}), replace(TINY, jpeg=(30, 60)))[0]
    assert batch.x is not None
    assert batch.x.shape == (4, 3, 4, 4)


def test_what_is_missing_or_does_not_fit_is_told(images: Path, tmp_path: Path) -> None:
    folder = estimate(tmp_path / "teacher", {})
    (folder / "deep" / "b.png").unlink()
    with pytest.raises(ImageError, match=r"no estimate of deep/b\.png \(1 of 2 missing\)"):
        take(images, folder)
    save(scene(20, 20), folder / "deep" / "b.png")
    with pytest.raises(ImageError, match="20×20 pixels, but its image has 38×41"):
        take(images, folder, batches=20)
    (folder / "deep" / "b.png").write_bytes(b"no picture")
    with pytest.raises(ImageError, match="not a readable estimate"):
        take(images, folder, batches=20)
    with pytest.raises(UsageError, match=r"data\.shrink changes the images"):
        take(images, folder, replace(TINY, shrink=2.0))
    with pytest.raises(UsageError, match="needs image files"):
        take(write_tar(tmp_path / "x.tar", {"a.png": b""}), folder)
