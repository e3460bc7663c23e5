from pathlib import Path

import pytest

from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.training.data import SOURCES, open_data
from mapsr_cli.training.data.sources import kind_of
from tests.pictures import save, scene
from tests.training.data.conftest import TINY


def test_kinds(tmp_path: Path) -> None:
    (tmp_path / "a.lst").touch()
    (tmp_path / "folder.tar").mkdir()
    kinds = {
        "swissroll:": "swissroll",
        str(tmp_path): "folder",
        f"{tmp_path}/folder.tar": "folder",
        f"{tmp_path}/a.lst": "list",
        "x-{0..9}.tar": "shards",
        "x.TAR": "shards",
        "https://host/x-{0..9}.tar.gz": "shards",
    }
    assert {location: kind_of(location) for location in kinds} == kinds
    assert set(kinds.values()) == set(SOURCES)


@pytest.mark.parametrize("name", ["nothing", "nothing.txt", "nothing.png"])
def test_nothing_there(tmp_path: Path, name: str) -> None:
    with pytest.raises(ImageError, match="no such file or folder") as error:
        open_data(tmp_path / name, TINY)
    assert "shard-{000..009}.tar" in error.value.hint


def test_files_of_other_kinds(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="is one picture"):
        open_data(save(scene(20, 20), tmp_path / "a.png"), TINY)
    (tmp_path / "a.mp3").write_bytes(b"ID3")
    with pytest.raises(UsageError, match="not a kind of training data"):
        open_data(tmp_path / "a.mp3", TINY)


def test_a_folder_of_shards_says_how_to_name_them(tmp_path: Path) -> None:
    (tmp_path / "train.tar").touch()
    with pytest.raises(ImageError, match="tar shards") as error:
        open_data(tmp_path, TINY)
    assert "say which ones" in error.value.hint


def test_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="0 found"):
        open_data(tmp_path, TINY)


def test_a_batch_that_cannot_be_shared(pictures: Path) -> None:
    with pytest.raises(UsageError, match="cannot be shared by 3"):
        open_data(pictures, TINY, rank=0, world=3)
