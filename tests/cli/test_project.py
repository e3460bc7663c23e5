"""`mapsr project`: pairs of files and of folders."""

from pathlib import Path

import pytest

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
