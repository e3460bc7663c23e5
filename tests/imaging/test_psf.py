"""Measured kernels from files."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mapsr_cli.errors import KernelError, UsageError
from mapsr_cli.imaging import Provenance, find_kernel, read_psf
from mapsr_cli.imaging.psf import MOST_WEIGHTS
from mapsr_cli.operators import make_kernel, make_psf
from tests.psfs import comet


def test_names_without_a_file_are_the_kernels_there_are() -> None:
    assert find_kernel("gaussian9", 4, 1.2) == make_kernel("gaussian9", 4, 1.2)
    with pytest.raises(UsageError, match="unknown kernel"):
        find_kernel("psf.npy", 4)


@pytest.mark.parametrize("dtype", [np.float64, np.float32, np.uint8, np.uint16])
def test_npy_holds_weights_as_they_are(tmp_path: Path, dtype: type) -> None:
    weights: NDArray[Any] = (200 * comet()).astype(dtype)
    np.save(tmp_path / "psf.npy", weights)
    assert np.array_equal(read_psf(tmp_path / "psf.npy"), weights)
    name = f"file:{tmp_path / 'psf.npy'}"
    assert find_kernel(name, 3) == make_psf("file:psf.npy", weights, 3)  # named without its folder


@pytest.mark.parametrize("mode", ["L", "I;16", "RGB"])
def test_png_holds_grey_levels(tmp_path: Path, mode: str) -> None:
    peak = 65535 if mode == "I;16" else 255
    levels = (peak * comet() / comet().max()).astype(np.uint16 if mode == "I;16" else np.uint8)
    image = Image.fromarray(levels)
    (image.convert("RGB") if mode == "RGB" else image).save(tmp_path / "psf.png")
    assert np.array_equal(read_psf(tmp_path / "psf.png"), levels)


def _broken(folder: Path, what: str) -> Path:
    path = folder / f"psf.{what.split()[0]}"
    if what == "npy pickle":
        np.save(path, np.array([[{}]]), allow_pickle=True)
    elif what in ("npy text", "png text"):
        path.write_text("nothing of the kind")
    elif what == "npy cut":
        np.save(path, comet())
        path.write_bytes(path.read_bytes()[:200])
    elif what == "npy empty":
        path.write_bytes(b"")
    elif what == "npy large":
        np.lib.format.open_memmap(path, "w+", np.uint8, (MOST_WEIGHTS + 1, 1)).flush()
    elif what == "png colour":
        Image.new("RGB", (3, 3), (9, 0, 0)).save(path)
    elif what == "png clear":
        Image.new("LA", (3, 3), (9, 128)).save(path)
    return path


@pytest.mark.parametrize(
    "what",
    ["npy missing", "npy pickle", "npy text", "npy cut", "npy empty", "npy large", "png text", "png colour",
     "png clear"],
)  # fmt: skip
def test_what_cannot_be_read_is_told_in_one_line(tmp_path: Path, what: str) -> None:
    path = _broken(tmp_path, what)
    with pytest.raises(KernelError, match=path.name) as caught:
        find_kernel(f"file:{path}", 4)
    assert "\n" not in str(caught.value)


def test_other_files_and_a_sigma_make_no_sense(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.npy or \.png"):
        find_kernel(f"file:{tmp_path / 'psf.jpg'}", 4)
    with pytest.raises(UsageError, match="sigma"):
        find_kernel(f"file:{tmp_path / 'psf.npy'}", 4, 1.6)


def test_a_files_own_word_names_its_measured_kernel(tmp_path: Path) -> None:
    name = f"file:{tmp_path / 'psf.npy'}"
    np.save(tmp_path / "psf.npy", comet())
    stored = Provenance("m", name, 4, None, "ab", "0")
    assert Provenance.from_text(stored.to_text()) == stored
    assert stored.make_kernel(tmp_path) == make_psf("file:psf.npy", comet(), 4)
