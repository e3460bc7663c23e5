"""Crops in shards: which, how many, and the same every time."""

import tarfile
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mapsr_cli.errors import FileError, ImageError, UsageError
from mapsr_cli.training.data import DataConfig, open_data
from mapsr_cli.training.data.preparation import Preparation, Prepared, find_images, prepare
from tests.pictures import save, scene

HOW = Preparation(crop=32, shard=4)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Seven different crops, copies of four of them in another format, a flat one, and what cannot be used."""
    place = tmp_path / "in"
    (place / "deep").mkdir(parents=True)
    save(scene(70, 72, 1), place / "a.v1.png")
    save(scene(32, 100, 2), place / "deep/b.png")
    Image.open(place / "a.v1.png").save(place / "copy.bmp")
    save(torch.full((3, 40, 40), 90.0), place / "flat.png")
    save(scene(20, 80, 3), place / "small.png")
    (place / "broken.png").write_bytes(b"no picture")
    (place / ".hidden.png").write_bytes(b"")
    return place


def run(folder: Path, out: Path, how: Preparation = HOW, overwrite: bool = False) -> Prepared:
    return prepare(find_images([folder]), out, how, overwrite, lambda done, count: None)


def test_what_becomes_of_every_image(folder: Path, tmp_path: Path) -> None:
    done = run(folder, tmp_path / "out")
    assert done.counts() == {
        "images": 5, "corrupt": 1, "small": 1, "crops": 7, "flat": 1, "duplicates": 4,
        "shards": [str(tmp_path / f"out/00000{number}.tar") for number in (0, 1)],
    }  # fmt: skip
    with tarfile.open(done.shards[0]) as tar:
        assert tar.getnames()[0] == "0000000-a-v1-0-0.png"
        crop = np.asarray(Image.open(tar.extractfile("0000000-a-v1-0-0.png")))  # type: ignore[arg-type]
    assert np.array_equal(crop, np.asarray(Image.open(folder / "a.v1.png"))[3:35, 4:36])


def test_the_shards_are_training_data(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "out")
    data = open_data(str(tmp_path / "out/*.tar"), DataConfig(patch=(32, 32), batch=7, workers=0, shuffle=16))
    assert next(data.batches()).y.shape == (7, 3, 32, 32)
    assert data.report.found == 7


def test_the_same_images_give_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    first, second = (run(folder, tmp_path / name) for name in ("one", "two"))
    assert [Path(p).read_bytes() for p in first.shards] == [Path(p).read_bytes() for p in second.shards]


def test_nothing_is_replaced_unasked(folder: Path, tmp_path: Path) -> None:
    run(folder, tmp_path / "out")
    with pytest.raises(FileError):
        run(folder, tmp_path / "out")
    assert run(folder, tmp_path / "out", overwrite=True).crops == 7


def test_everything_is_kept_where_that_is_asked_for(folder: Path, tmp_path: Path) -> None:
    done = run(folder, tmp_path / "out", Preparation(crop=32, flat=0, alike=-1))
    assert (done.crops, done.flat, done.duplicates) == (12, 0, 0)


def test_a_darker_copy_of_another_size_is_a_duplicate(tmp_path: Path) -> None:
    place = tmp_path / "in"
    place.mkdir()
    save(scene(64, 64, 5), place / "a.png")
    picture = Image.open(place / "a.png")
    picture.point(lambda level: 0.8 * level).save(place / "b.png")
    assert run(place, tmp_path / "out", Preparation(crop=64)).duplicates == 1


def test_odd_settings_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="crops of 8 pixels"):
        Preparation(crop=8)
    with pytest.raises(ImageError, match="no images there"):
        find_images([tmp_path])
