"""NIQE without its published model: with one that is made of a picture's own statistics."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mapsr_cli.errors import MapsrError
from mapsr_cli.evaluation.niqe import FILE, SHAPES, PristineModel, _fitted, features_of, load_pristine, niqe
from tests.pictures import scene

WINDOW = torch.outer(*2 * [torch.exp(-0.5 * (torch.arange(-3.0, 4).double() / (7 / 6)) ** 2)])
WINDOW /= WINDOW.sum()


def textured(height: int, width: int, seed: int = 0) -> torch.Tensor:
    noise = torch.randn(3, height, width, generator=torch.Generator().manual_seed(seed))
    return (scene(height, width, seed) / 255 + 0.05 * noise).clamp(0, 1)


@pytest.mark.parametrize(("power", "shape"), [(1.0, 1.0), (2.0, 2.0)])
def test_shapes_and_scales_are_recovered(power: float, shape: float) -> None:
    """exp(−|x/β|^α): Laplace has α = 1, the Gaussian α = 2; halves of different scale are told apart."""
    rng = np.random.default_rng(0)
    size = rng.gamma(1 / power, 1, 200_000) ** (1 / power)
    right = rng.random(200_000) < 2 / 3  # of halves with scales 1 and 2 that meet in density
    found = _fitted(np.where(right, 2 * size, -size))
    assert found[0] == pytest.approx(shape, rel=0.05)
    assert found[1] == pytest.approx(1, rel=0.05)
    assert found[2] == pytest.approx(2, rel=0.05)


def test_a_picture_is_at_no_distance_from_its_own_statistics_and_farther_when_blurred() -> None:
    y = textured(192, 288)
    features = features_of(y, WINDOW)
    assert features.shape == (6, 36)
    own = PristineModel(features.mean(0), np.eye(36), WINDOW)
    assert niqe(y, own) == 0
    blurred = [niqe(torch.nn.functional.avg_pool2d(y[None], size, 1, size // 2)[0], own) for size in (3, 5)]
    assert 0.1 < (blurred[0] or 0) < (blurred[1] or 0)


def test_too_few_blocks() -> None:
    assert niqe(textured(96, 191), PristineModel(np.zeros(36), np.eye(36), WINDOW)) is None


@pytest.mark.parametrize("damage", ["missing", "shape", "nan", "text"])
def test_a_model_that_cannot_be_read(tmp_path: Path, damage: str) -> None:
    arrays = {name: np.zeros(shape) for name, shape in SHAPES.items()}
    if damage == "shape":
        arrays["mu_pris_param"] = np.zeros((1, 35))
    if damage == "nan":
        arrays["cov_pris_param"][0, 0] = np.nan
    if damage != "missing":
        np.savez(tmp_path / FILE, **arrays)  # type: ignore[arg-type]
    if damage == "text":
        (tmp_path / FILE).write_text("<html>")
    with pytest.raises(MapsrError, match="no NIQE") as caught:
        load_pristine(tmp_path)
    assert str(tmp_path) in caught.value.hint + str(caught.value)
