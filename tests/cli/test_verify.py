from pathlib import Path

import pytest

from mapsr_cli.imaging import read_picture
from mapsr_cli.operators import make_kernel
from tests.cli.conftest import Mapsr
from tests.pictures import lr_of, save, scene

HR = scene(64, 48)


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    return save(lr_of(HR, make_kernel("bicubic", 4)), tmp_path / "lr.png"), save(HR, tmp_path / "hr.png")


def test_holds(mapsr: Mapsr, files: tuple[Path, Path]) -> None:
    done = mapsr("verify", *files)
    assert done.code == 0
    assert done.stdout.startswith("holds")
    assert "does not say how it was made" in done.stderr


def test_json(mapsr: Mapsr, files: tuple[Path, Path]) -> None:
    assert mapsr("verify", *files, "--json").json == {
        "bit_exact": 1.0, "worst_levels": 0, "mse": 0.0, "lr_psnr": None, "holds": True, "evidence": "levels"
    }  # fmt: skip
    other = mapsr("verify", *files, "--kernel", "gaussian9", "--json")
    assert other.code == 1
    assert other.json["holds"] is False
    assert other.json["lr_psnr"] > 20


def test_map(mapsr: Mapsr, files: tuple[Path, Path], tmp_path: Path) -> None:
    done = mapsr("verify", *files, "--kernel", "box", "--map", tmp_path / "map.png")
    assert done.code == 1
    assert "does not hold" in done.stdout
    assert read_picture(tmp_path / "map.png").levels.max() > 0
    assert f"wrote {tmp_path / 'map.png'}\n" in done.stderr
    before = (tmp_path / "map.png").read_bytes()
    refused = mapsr("verify", *files, "--map", tmp_path / "map.png")
    assert (refused.code, refused.stdout) == (1, "")
    assert "map.png exists" in refused.stderr
    assert (tmp_path / "map.png").read_bytes() == before
    assert mapsr("verify", *files, "--map", tmp_path / "map.png", "--overwrite").code == 0


def test_a_map_that_cannot_be_drawn(mapsr: Mapsr, files: tuple[Path, Path], locked: Path) -> None:
    done = mapsr("verify", *files, "--map", locked / "map.png")
    assert done.code == 1
    assert "Permission denied" in done.stderr
    assert "one of the two" in mapsr("verify", *files, "--map", files[0].parent / "locked" / ".." / "lr.png").stderr


def test_a_wrong_pair(mapsr: Mapsr, files: tuple[Path, Path]) -> None:
    done = mapsr("verify", files[1], files[0])
    assert done.code == 1
    assert "right pair" in done.stderr


def test_wrong_usage(mapsr: Mapsr, files: tuple[Path, Path]) -> None:
    assert mapsr("verify", *files, "--scale", 5).code == 2
    assert mapsr("verify", *files, "--sigma", 1.0).code == 2
