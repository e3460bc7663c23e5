"""A point-spread function in a file goes wherever a kernel's name goes."""

from pathlib import Path

import numpy as np
import pytest

from mapsr_cli.imaging import find_kernel, read_picture, read_provenance
from tests.cli.conftest import Mapsr
from tests.pictures import lr_of, save, scene
from tests.psfs import comet, streak

HR = scene(64, 48)


@pytest.fixture
def psf(tmp_path: Path) -> str:
    np.save(tmp_path / "psf.npy", comet())
    return f"file:{tmp_path / 'psf.npy'}"


@pytest.mark.slow
def test_down_up_and_verified(mapsr: Mapsr, tmp_path: Path, tiny_model: Path, psf: str) -> None:
    hr, lr, up = save(HR, tmp_path / "hr.png"), tmp_path / "lr.png", tmp_path / "up.png"
    assert mapsr("downscale", hr, "-o", lr, "--kernel", psf).code == 0
    assert (read_picture(lr).levels.int() - lr_of(HR, find_kernel(psf, 4)).int()).abs().max() == 0
    done = mapsr("upscale", lr, "-o", up, "-m", tiny_model, "--kernel", psf, "--json")
    assert done.code == 0
    (result,) = done.json["results"]
    assert result["kernel"] == "file:psf.npy"  # no folder
    assert result["consistency"]["bit_exact"] == 1.0
    assert result["consistency"]["mse_float"] < 1e-12
    made = read_provenance(up)
    assert made is not None
    assert made.kernel == "file:psf.npy"
    assert mapsr("verify", lr, up).code == 0
    assert mapsr("verify", lr, up, "--kernel", "bicubic").code == 1


def test_a_softer_projection_is_refused_once(mapsr: Mapsr, tmp_path: Path, tiny_model: Path, psf: str) -> None:
    words = ("--kernel", psf, "--strength", 0.5)
    done = mapsr("upscale", tmp_path / "none.png", "also-none.png", "-m", tiny_model, *words)
    assert done.code == 2
    assert done.stderr.count("is not separable") == 1


def test_a_kernel_that_is_gone_is_told(mapsr: Mapsr, tmp_path: Path, tiny_model: Path, psf: str) -> None:
    lr, up = save(lr_of(HR, find_kernel(psf, 4)), tmp_path / "lr.png"), tmp_path / "up.png"
    words = ("--kernel", psf, "--consistency", "float")
    assert mapsr("upscale", lr, "-o", up, "-m", tiny_model, *words).code == 0
    Path(psf.removeprefix("file:")).unlink()
    done = mapsr("verify", lr, up)
    assert done.code == 1
    assert "psf.npy" in done.stderr
    assert "--kernel" in done.stderr


def test_what_cannot_be_inverted_is_refused(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    np.save(tmp_path / "wide.npy", streak(41, 41, along=9, across=9))
    lr = save(lr_of(HR, find_kernel("bicubic", 4)), tmp_path / "lr.png")
    done = mapsr("upscale", lr, "-m", tiny_model, "--kernel", f"file:{tmp_path / 'wide.npy'}")
    assert done.code == 1
    assert "condition number" in done.stderr
