"""`mapsr data prepare` as a user meets it."""

from pathlib import Path

from tests.cli.conftest import Mapsr


def test_photos_become_shards_that_train(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "shards"
    done = mapsr("data", "prepare", photos, photos, "-o", out, "--crop", 40, "--json")
    assert done.code == 0, done.stderr
    assert {key: done.json[key] for key in ("images", "crops", "duplicates", "flat", "small", "corrupt")} == {
        "images": 6, "crops": 3, "duplicates": 3, "flat": 0, "small": 0, "corrupt": 0,
    }  # fmt: skip
    told = mapsr("data", "prepare", photos, "-o", out, "--crop", 40, "--overwrite")
    assert "3 crops of 40×40 in 1 shards, from 3 pictures" in told.stdout
    small = ["--set", "generator.channels=8", "--set", "generator.blocks=1", "--patch", 16, "--batch", 2]
    run = ["--data", f"{out}/*.tar", "--out", tmp_path / "run", "--steps", 1, "--log", "csv", *small]
    assert mapsr("train", "mae", *run).code == 0


def test_nothing_is_replaced(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    wish = ["data", "prepare", photos, "-o", tmp_path / "shards", "--crop", 40]
    assert mapsr(*wish).code == 0
    again = mapsr(*wish)
    assert again.code == 1
    assert "exists" in again.stderr
