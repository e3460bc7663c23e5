"""`mapsr project`: pairs of files and of folders."""

from pathlib import Path

import pytest
from PIL import Image, ImageSequence

from mapsr_cli.inference.comparison import downscaled
from mapsr_cli.operators import make_kernel
from tests.cli.conftest import Mapsr
from tests.inference.test_finished import blurred
from tests.pictures import save, scene

KERNEL = make_kernel("bicubic", 4)


def pair(folder: Path, name: str, ending: str = "_4x", seed: int = 0) -> tuple[Path, Path]:
    hr = scene(40, 48, seed)
    for part in ("small", "large"):
        (folder / part).mkdir(exist_ok=True)
    original = save(downscaled(hr, KERNEL, 255), folder / "small" / f"{name}.png")
    return original, save(blurred(hr), folder / "large" / f"{name}{ending}.png")


def test_a_pair_of_files(mapsr: Mapsr, tmp_path: Path) -> None:
    original, theirs = pair(tmp_path, "a")
    done = mapsr("project", original, theirs, "-o", tmp_path / "fixed.png", "--json")
    assert done.code == 0
    (entry,) = done.json["results"]
    assert entry["consistency"]["bit_exact"] == 1
    assert 20 < entry["changed_psnr"] < 60
    assert (entry["scale"], entry["kernel"], entry["size"]) == (4, "bicubic", [48, 40])
    assert mapsr("verify", original, tmp_path / "fixed.png").code == 0
    again = mapsr("project", original, tmp_path / "fixed.png", "-o", tmp_path / "again.png", "--json")
    assert again.json["results"][0]["changed_psnr"] is None


def test_two_folders_and_one_bad_file(mapsr: Mapsr, tmp_path: Path) -> None:
    pair(tmp_path, "a")
    pair(tmp_path, "b", "-large", seed=1)
    _, bad = pair(tmp_path, "c", "", seed=2)
    bad.write_bytes(b"no picture")
    done = mapsr("project", tmp_path / "small", tmp_path / "large", "-o", tmp_path / "out")
    assert done.code == 1
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["a_4x.png", "b-large.png"]
    assert "1 of 3 files failed" in done.stderr


@pytest.mark.parametrize("output", ["results_v1.0/", "results_v1.0"])
def test_a_folder_may_have_a_dot_in_its_name(mapsr: Mapsr, tmp_path: Path, output: str) -> None:
    original, theirs = pair(tmp_path, "a")
    assert mapsr("project", original.parent, theirs.parent, "-o", f"{tmp_path}/{output}").code == 0
    assert [p.name for p in (tmp_path / "results_v1.0").iterdir()] == ["a_4x.png"]
    refused = mapsr("project", original.parent, theirs.parent, "-o", tmp_path / "one.png")
    assert (refused.code, "names one picture" in refused.stderr) == (2, True)


def test_pages_that_repeat_are_kept(mapsr: Mapsr, tmp_path: Path) -> None:
    """Two equal pages stay two, and each frame keeps its duration."""
    large = [scene(40, 48, seed) for seed in (0, 0, 1)]
    for name, pictures in (("small", [downscaled(hr, KERNEL, 255) for hr in large]), ("large", map(blurred, large))):
        first, *others = (Image.fromarray(picture.permute(1, 2, 0).byte().numpy()) for picture in pictures)
        first.save(tmp_path / f"{name}.tif", save_all=True, append_images=others)
    done = mapsr("project", tmp_path / "small.tif", tmp_path / "large.tif", "-o", tmp_path / "fixed.tif")
    assert done.code == 0
    with Image.open(tmp_path / "fixed.tif") as fixed:
        assert sum(1 for _ in ImageSequence.Iterator(fixed)) == 3
    assert mapsr("verify", tmp_path / "small.tif", tmp_path / "fixed.tif").code == 0


def test_what_goes_with_what_must_be_clear(mapsr: Mapsr, tmp_path: Path) -> None:
    original, theirs = pair(tmp_path, "a")
    pair(tmp_path, "a", "_2")
    done = mapsr("project", original.parent, theirs.parent, "-o", tmp_path / "out")
    assert (done.code, "2 pictures that could be made of a.png" in done.stderr) == (2, True)
    assert mapsr("project", original, theirs.parent, "-o", tmp_path / "out").code == 2


@pytest.mark.parametrize("which", [0, 1])
def test_no_input_is_replaced(mapsr: Mapsr, tmp_path: Path, which: int) -> None:
    files = pair(tmp_path, "a")
    before = files[which].read_bytes()
    done = mapsr("project", *files, "-o", files[which], "--overwrite")
    assert (done.code, files[which].read_bytes()) == (1, before)
    assert "would replace" in done.stderr
