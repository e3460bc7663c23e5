import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mapsr_cli.errors import FileError, ImageError, UsageError
from mapsr_cli.imaging import Provenance, find_kernel, read_picture, read_provenance, write_picture
from mapsr_cli.inference.verification import KernelChoice, verify_files
from mapsr_cli.operators import AnyKernel, Consistency, Kernel, Psf, make_kernel
from mapsr_cli.views.difference_map import difference_picture
from tests.pictures import lr_of, save, scene
from tests.psfs import comet

BICUBIC = make_kernel("bicubic", 4)


def pair(folder: Path, kernel: Kernel = BICUBIC, size: tuple[int, int] = (64, 48)) -> tuple[Path, Path]:
    hr = scene(*size)
    return save(lr_of(hr, kernel), folder / "lr.png"), save(hr, folder / "hr.png")


def which(hr: Path, choice: KernelChoice) -> AnyKernel:
    """A for an LR image of 16 × 12 and an HR image of 64 × 48 pixels."""
    return choice.kernel_for(hr, read_provenance(hr), (16, 12), (64, 48))[0]


@pytest.mark.parametrize("size", [(64, 48), (61, 47), (4, 1)])
def test_holds_for_the_kernel_it_was_made_with(tmp_path: Path, size: tuple[int, int]) -> None:
    checked = verify_files(*pair(tmp_path, size=size), KernelChoice())
    assert isinstance(checked.consistency, Consistency)
    assert checked.consistency.holds
    assert checked.consistency.lr_psnr is None


def test_does_not_hold_for_another(tmp_path: Path) -> None:
    checked = verify_files(*pair(tmp_path), KernelChoice(kernel="gaussian9"))
    assert isinstance(checked.consistency, Consistency)
    assert not checked.consistency.holds
    assert checked.consistency.lr_psnr is not None


def test_the_map_is_drawn_but_never_over_what_it_compares(tmp_path: Path) -> None:
    lr, hr = pair(tmp_path)
    checked = verify_files(lr, hr, KernelChoice(kernel="gaussian9"))
    for _ in range(2):
        difference_picture(checked, lr, hr, tmp_path / "map.png")
    assert min(read_picture(tmp_path / "map.png").size) > 400
    (tmp_path / "link.png").symlink_to(hr)
    before = hr.read_bytes()
    for path in (lr, hr, tmp_path / "link.png"):
        with pytest.raises(FileError, match="one of the two files"):
            difference_picture(checked, lr, hr, path)
    assert hr.read_bytes() == before
    with pytest.raises(FileError, match="not a plain file"):
        difference_picture(checked, lr, hr, Path("/dev/null"))


def test_one_changed_level_is_found_where_it_is(tmp_path: Path) -> None:
    lr, hr = pair(tmp_path)
    levels = read_picture(lr).levels
    levels[1, 5, 7] ^= 1
    save(levels, lr)
    checked = verify_files(lr, hr, KernelChoice())
    assert isinstance(checked.consistency, Consistency)
    assert checked.consistency.worst_levels == 1
    assert checked.difference.nonzero().tolist() == [[1, 5, 7]]


def test_the_files_own_word_counts_where_nothing_is_said(tmp_path: Path) -> None:
    provenance = Provenance("m", "gaussian7", 2, 1.2, "ab", "0")
    write_picture(tmp_path / "hr.png", scene(8, 8), provenance=provenance)
    assert which(tmp_path / "hr.png", KernelChoice()) == make_kernel("gaussian7", 2, 1.2)
    assert which(tmp_path / "hr.png", KernelChoice(kernel="box")) == make_kernel("box", 4)
    assert which(tmp_path / "hr.png", KernelChoice(scale=3)) == make_kernel("bicubic", 3)


def test_a_model_brings_its_kernel(tmp_path: Path, tiny_model: Path) -> None:
    assert which(tmp_path / "hr.png", KernelChoice(model=str(tiny_model))) == BICUBIC
    with pytest.raises(UsageError):
        KernelChoice(model=str(tiny_model), scale=4)


def test_sizes_and_channels_must_fit(tmp_path: Path) -> None:
    lr, hr = pair(tmp_path)
    with pytest.raises(ImageError, match="64"):
        verify_files(hr, hr, KernelChoice())
    save(read_picture(hr).levels[:1], hr)
    with pytest.raises(ImageError, match="grey"):
        verify_files(lr, hr, KernelChoice())


def test_another_original_of_the_same_pixels_is_noted(tmp_path: Path) -> None:
    lr, hr = pair(tmp_path)
    write_picture(hr, read_picture(hr).levels, provenance=Provenance("m", "bicubic", 4, None, "ab", "0"))
    assert "SHA-256" in verify_files(lr, hr, KernelChoice()).notes[0]


def claim(hr: Path, **named: str) -> None:
    """Store text about itself in a PNG."""
    text = PngInfo()
    stored = {"model": "m", "kernel": "gaussian8", "scale": "4", "sigma": "1.6", "input-sha256": "0", "version": "1"}
    for key, word in (stored | named).items():
        text.add_text(f"mapsr-{key}", word)
    with Image.open(hr) as image:
        image.save(hr, pnginfo=text)


HOSTILE = {
    "kernel": [
        "", "file:", "file:/dev/zero", "file:../../psf.npy", "file:pipe.npy", "file:link.npy", "file:huge.npy",
        "file:folder.npy", "file:C:\\x\\gone.npy", "gaussian0", "x\n\x1b[31m", "é" * 999,
    ],
    "scale": ["0", "-4", "5", "1" * 30],
    "sigma": ["nan", "inf", "-1", "0", "1e-320", "1e-200"],
}  # fmt: skip


@pytest.mark.parametrize(("field", "value"), [(field, value) for field, values in HOSTILE.items() for value in values])
def test_hostile_metadata_are_refused_and_open_nothing(tmp_path: Path, field: str, value: str) -> None:
    (tmp_path / "in").mkdir()
    lr, hr = pair(tmp_path / "in")
    claim(hr, **{field: value})
    np.save(tmp_path / "psf.npy", np.ones((4, 4)))  # not beside it
    os.mkfifo(tmp_path / "in" / "pipe.npy")
    (tmp_path / "in" / "link.npy").symlink_to(tmp_path / "psf.npy")
    (tmp_path / "in" / "folder.npy").mkdir()
    np.save(tmp_path / "in" / "huge.npy", np.ones((400, 400)))
    with pytest.raises(ImageError, match="its metadata name no usable kernel"):
        verify_files(lr, hr, KernelChoice())


@pytest.mark.parametrize(("field", "value"), [("scale", "9" * 5000), ("scale", "x"), ("seed", "0.5"), ("sigma", "?")])
def test_metadata_that_are_no_provenance_say_nothing(tmp_path: Path, field: str, value: str) -> None:
    lr, hr = pair(tmp_path)
    claim(hr, **{field: value})
    assert "does not say how it was made" in verify_files(lr, hr, KernelChoice()).notes[0]


def test_a_measured_kernel_is_found_beside_the_file_by_its_name(tmp_path: Path) -> None:
    np.save(tmp_path / "psf.npy", comet())
    kernel = find_kernel(f"file:{tmp_path / 'psf.npy'}", 4)
    stored = Provenance("m", "file:/somewhere/else/psf.npy", 4, None, "0", "1")
    made = stored.make_kernel(tmp_path)
    assert isinstance(made, Psf)
    assert made.plane()[1] == kernel.plane()[1]
    assert np.array_equal(made.plane()[0], kernel.plane()[0])
