"""`mapsr fit-kernel`, then `mapsr train --pairs`, as a user meets them."""

from pathlib import Path

import numpy as np
import pytest
import torch

from mapsr_cli.operators import make_psf
from mapsr_cli.zoo import load_model
from tests.cli.conftest import Mapsr
from tests.pictures import lr_of, save
from tests.psfs import comet

FEW = ["--patch", "32", "--batch", "2", "--device", "cpu", "--set", "data.workers=0", "--log", "csv", "--steps", 2]
FEW += ["--set", "generator.channels=8", "--set", "generator.blocks=1"]
KERNEL = make_psf("file:comet.npy", comet(7, 8), 4)


@pytest.fixture
def pairs(tmp_path: Path) -> tuple[Path, Path]:
    """Three pictures, and what a point-spread function that nobody is told of makes of them."""
    large, small = tmp_path / "hr", tmp_path / "lr"
    large.mkdir()
    small.mkdir()
    for number in range(3):
        noise = torch.randn(3, 240, 200, generator=torch.Generator().manual_seed(number))
        y = (127.5 + 50 * noise).round().clamp(0, 255)
        save(y, large / f"{number}.png")
        save(lr_of(y, KERNEL), small / f"{number}.png")
    return large, small


def test_the_kernel_is_found_and_trained_with(mapsr: Mapsr, pairs: tuple[Path, Path], tmp_path: Path) -> None:
    (large, small), psf = pairs, tmp_path / "psf.npy"
    found = mapsr("fit-kernel", "--lr", small, "--hr", large, "-o", psf, "--size", 12, "--json")
    assert found.code == 0, found.stderr
    said = found.json
    assert (said["scale"], said["pairs"]) == (4, 3)
    assert said["residual_levels"] == pytest.approx(12**-0.5, rel=0.1)
    right = np.zeros((8, 8))
    right[1:] = comet(7, 8)[:]  # an odd side at an even scale lies half a pixel before the middle
    picture = np.load(psf)
    margin = (len(picture) - 8) // 2
    inner = picture[margin : margin + 8, margin : margin + 8]
    assert np.linalg.norm(inner - right / right.sum()) < 0.01 * np.linalg.norm(right / right.sum())

    run = ["train", "affmae", "--data", large, "--pairs", small, "--out", tmp_path / "run", *FEW]
    refused = mapsr(*run)
    assert refused.code == 2
    assert f"mapsr fit-kernel --lr {small} --hr {large} -o psf.npy" in refused.stderr
    done = mapsr(*run, "--kernel", f"file:{psf}")
    assert done.code == 0, done.stderr
    model = load_model(tmp_path / "run/weights.safetensors")
    assert model.kernel.name == "file:psf.npy"
    assert model.card.training["settings"]["sections"]["data"]["pairs"] == "lr"


def test_methods_without_a_constraint_need_no_kernel(mapsr: Mapsr, pairs: tuple[Path, Path], tmp_path: Path) -> None:
    done = mapsr("train", "mae", "--data", pairs[0], "--pairs", pairs[1], "--out", tmp_path / "run", *FEW)
    assert done.code == 0, done.stderr
    prior = mapsr("train", "denoiser", "--data", pairs[0], "--pairs", pairs[1], "--out", tmp_path / "p", "--steps", 1)
    assert prior.code == 2
    assert "learns from large pictures alone" in prior.stderr


def test_a_person_reads_what_was_found(mapsr: Mapsr, pairs: tuple[Path, Path], tmp_path: Path) -> None:
    done = mapsr("fit-kernel", "--lr", pairs[1], "--hr", pairs[0], "-o", tmp_path / "psf.npy", "--size", 12)
    assert done.code == 0, done.stderr
    assert "weights at ×4 from 3 pairs" in done.stdout
    assert "--kernel file:" in done.stderr
    again = mapsr("fit-kernel", "--lr", pairs[1], "--hr", pairs[0], "-o", tmp_path / "psf.npy")
    assert again.code == 1
    assert "exists" in again.stderr


def test_sizes_that_are_no_pair(mapsr: Mapsr, pairs: tuple[Path, Path], tmp_path: Path) -> None:
    large, small = pairs
    save(torch.zeros(3, 10, 10), small / "1.png")
    done = mapsr("fit-kernel", "--lr", small, "--hr", large, "-o", tmp_path / "psf.npy")
    assert done.code == 2
    assert "1.png has 10×10 pixels and 1.png 200×240: not ×4" in done.stderr
    assert not (tmp_path / "psf.npy").exists()
