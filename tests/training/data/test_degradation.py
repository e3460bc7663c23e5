"""Degraded LR images: what each degradation does, and that the seed and the sample's number decide it."""

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from mapsr_cli.errors import UsageError
from mapsr_cli.operators import downsampling, make_kernel, to_levels
from mapsr_cli.training.data import DataConfig, open_data
from mapsr_cli.training.data.degradation import degraded, evidence_of
from tests.pictures import scene
from tests.training.data.conftest import TINY

KERNEL = make_kernel("bicubic", 4)
EVERYTHING = replace(TINY, patch=(64, 64), jpeg=(20, 100), noise=(0.0, 5.0), blur=(0.0, 1.0), clean=0.25)


def picture(size: int = 64) -> NDArray[np.float32]:
    return scene(size, size, seed=1).numpy().astype(np.float32)


def change(seed: int = 0, x: NDArray[np.float32] | None = None, **settings: object) -> NDArray[np.float32]:
    """What a degradation adds to a picture."""
    x = picture() if x is None else x
    config = DataConfig(**settings)  # type: ignore[arg-type]
    return degraded(x, config, np.random.default_rng(seed)).levels.astype(np.float32) - x


def batches(
    location: Path, config: DataConfig, count: int, start: int = 0, rank: int = 0, world: int = 1
) -> list[Tensor]:
    data = open_data(location, config, rank, world, KERNEL)
    try:
        return [batch.x for batch in islice(data.batches(start), count) if batch.x is not None]
    finally:
        data.close()


def test_lower_qualities_lose_more() -> None:
    errors = [float(np.square(change(jpeg=(quality, quality))).mean()) for quality in (20, 50, 75, 95)]
    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 3 * errors[-1] > 0


@pytest.mark.parametrize("colours", [1, 3])
def test_jpeg_keeps_the_shape(colours: int) -> None:
    x = picture()[:colours, :61, :47]
    assert change(x=x, jpeg=(50, 90)).shape == x.shape


def test_noise_has_the_sigma_that_was_asked_for() -> None:
    x = np.full((3, 100, 100), 128, np.float32)
    found = change(x=x, noise=(4.0, 4.0))
    assert abs(found.mean()) < 0.1
    assert found.std() == pytest.approx(np.hypot(4.0, 12**-0.5), rel=0.02)  # and rounding


def test_a_blur_is_a_gaussian_s() -> None:
    """A point becomes the Gaussian, and nothing is lost at the borders."""
    x = np.zeros((1, 31, 31), np.float32)
    x[0, 15, 15] = 25_500
    points = np.arange(31) - 15
    wanted = np.exp(-0.5 * (points / 1.5) ** 2)
    wanted = np.clip(np.round(25_500 * np.outer(wanted, wanted) / wanted.sum() ** 2), 0, 255)
    np.testing.assert_array_equal(degraded(x, DataConfig(blur=(1.5, 1.5)), np.random.default_rng(0)).levels[0], wanted)
    flat = np.full((3, 9, 9), 77, np.float32)
    assert not change(x=flat, blur=(0.0, 3.0)).any()


def test_a_share_stays_clean() -> None:
    clean = [not change(seed, x=picture(16).round(), noise=(3.0, 3.0), clean=0.25).any() for seed in range(400)]
    assert 70 < sum(clean) < 130


def test_evidence_is_what_the_files_say() -> None:
    """The truth lies in the cells of a JPEG, but for what rounding moved; and within 3 σ of a noisy image."""
    x = picture()
    configs = DataConfig(jpeg=(30, 80)), DataConfig(noise=(4.0, 4.0)), DataConfig(clean=1.0)
    rows = [
        degraded(x, config, np.random.default_rng(n))
        for config, count in zip(configs, (4, 2, 1), strict=True)
        for n in range(count)
    ]
    order = [0, 4, 1, 6, 2, 5, 3]
    seen, evidence = evidence_of([rows[n] for n in order])
    assert torch.equal(255 * seen, torch.stack([torch.from_numpy(rows[n].levels.astype(np.float32)) for n in order]))
    truth = torch.from_numpy(x.round().clip(0, 255) / 255)
    held = evidence.violation(truth.expand_as(seen)) < 2 / 255
    for place, n in enumerate(order):
        assert held[place].float().mean() > (0.999 if n < 4 else 0.99 if n < 6 else 0.9999)
    told = evidence.told()
    assert [bool(told[place, 0] > 0) for place in range(7)] == [n < 4 for n in order]
    assert [round(float(told[place, 5]), 2) for place in range(7)] == [0.4 * (4 <= n < 6) for n in order]


def test_noisy_samples_are_no_jpegs() -> None:
    config = DataConfig(jpeg=(50, 50), noise=(3.0, 3.0), noisy=0.25)
    rows = [degraded(picture(16), config, np.random.default_rng(n)) for n in range(200)]
    noisy = [row for row in rows if row.sigma]
    assert 30 < len(noisy) < 70
    assert all((row.jpeg is None) == (row.sigma == 3.0) for row in rows)


def test_twice_compressed_loses_more() -> None:
    once, twice = (np.mean([np.square(change(n, jpeg=(50, 50), twice=t)).mean() for n in range(8)]) for t in (0.0, 1.0))
    assert 1.05 * once < twice < 2.5 * once


def test_evidence_comes_with_the_batches(pictures: Path) -> None:
    data = open_data(pictures, EVERYTHING, kernel=KERNEL, evidence=True)
    batch = next(data.batches()).to(torch.device("cpu"))
    data.close()
    (plain,) = batches(pictures, EVERYTHING, 1)
    assert batch.x is not None
    assert batch.evidence is not None
    assert torch.equal(255 * batch.x, plain.float())
    assert torch.equal(batch.evidence.x, batch.x)


def test_qualities_and_sigmas_vary() -> None:
    errors = {float(np.square(change(seed, jpeg=(20, 95))).mean().round(3)) for seed in range(20)}
    assert len(errors) > 15


def test_the_seed_and_the_sample_decide(pictures: Path) -> None:
    """Whatever the workers, the start and the share of the batch."""
    first = batches(pictures, EVERYTHING, 6)
    assert [(x.dtype, x.shape) for x in first] == 6 * [(torch.uint8, (4, 3, 16, 16))]
    again = batches(pictures, replace(EVERYTHING, workers=2), 3, start=3)
    assert all(torch.equal(a, b) for a, b in zip(again, first[3:], strict=True))
    halves = [batches(pictures, EVERYTHING, 6, rank=rank, world=2) for rank in range(2)]
    assert all(torch.equal(torch.cat(parts), whole) for *parts, whole in zip(*halves, first, strict=True))
    other = batches(pictures, replace(EVERYTHING, seed=1), 6)
    assert not any(torch.equal(a, b) for a, b in zip(other, first, strict=True))


def test_hr_patches_are_those_of_a_run_without(pictures: Path) -> None:
    """And a clean LR image is A y as a file has it."""
    config = replace(EVERYTHING, clean=1.0)
    data, plain = open_data(pictures, config, kernel=KERNEL), open_data(pictures, replace(TINY, patch=(64, 64)))
    for batch, same in islice(zip(data.batches(), plain.batches(), strict=True), 3):
        assert torch.equal(batch.y, same.y)
        assert same.x is None
        assert batch.x is not None
        a_y = downsampling(KERNEL, (64, 64)).down(batch.y.float() / 255) * 255
        assert torch.equal(batch.x.float(), to_levels(a_y, 255))
    data.close()
    plain.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"jpeg": (0, 50)},
        {"jpeg": (90, 50)},
        {"jpeg": (50, 101)},
        {"noise": (-1.0, 2.0)},
        {"noise": (0.0, float("inf"))},
        {"blur": (2.0, 1.0)},
        {"clean": 1.5},
        {"twice": -0.5},
        {"noisy": 2.0},
    ],
)
def test_ranges_that_make_no_sense(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        DataConfig(**wrong)  # type: ignore[arg-type]


def test_points_cannot_be_degraded() -> None:
    with pytest.raises(UsageError, match="points cannot be degraded"):
        open_data("swissroll:", replace(TINY, noise=(0.0, 1.0)), kernel=make_kernel("box", 2))
