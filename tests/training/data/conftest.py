"""A folder of small pictures, and what the tests of all sources do with data."""

import io
import tarfile
from itertools import islice
from pathlib import Path

import pytest
import torch
from PIL import Image
from torch import Tensor

from mapsr_cli.training.data import Data, DataConfig
from tests.pictures import save, scene

TINY = DataConfig(patch=(16, 16), batch=4, workers=0, shuffle=16)


def take(data: Data, batches: int, start: int = 0) -> Tensor:
    """Some batches in one tensor; the data is closed."""
    try:
        return torch.stack([batch.y for batch in islice(data.batches(start), batches)])
    finally:
        data.close()


def encoded(levels: Tensor, file_format: str = "PNG") -> bytes:
    """The bytes of an image file."""
    buffer = io.BytesIO()
    Image.fromarray(levels.byte().permute(1, 2, 0).contiguous().numpy()).save(buffer, file_format)
    return buffer.getvalue()


def flat(level: int, height: int = 20, width: int = 20) -> Tensor:
    """[3, height, width] of one level, which tells whose patch it is."""
    return torch.full((3, height, width), float(level))


def write_tar(path: Path, members: dict[str, bytes]) -> Path:
    """A tar of these files."""
    with tarfile.open(path, "w") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Six pictures of several sizes, in a tree."""
    folder = tmp_path / "pictures"
    (folder / "deep").mkdir(parents=True)
    for i, (height, width) in enumerate([(24, 24), (32, 20), (16, 48), (40, 40), (17, 19), (30, 30)]):
        save(scene(height, width, seed=i), folder / ("deep" if i % 2 else ".") / f"{i}.png")
    return folder
