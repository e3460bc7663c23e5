"""Sheets of samples."""

import io
from pathlib import Path

import pytest
from PIL import Image

from mapsr_cli.imaging import Frames, Picture
from mapsr_cli.views.contact_sheet import cell_size
from mapsr_cli.views.sample_sheets import SampleFiles
from tests.pictures import save, scene


def test_pillows_limit_is_not_for_our_own_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    side = cell_size(3) // 4 + 4  # a little more than a sheet shows
    files = tuple(save(scene(4 * side, 4 * side, n), tmp_path / f"{n}.png") for n in (1, 2))
    samples = SampleFiles(Frames((Picture(scene(side, side).byte()),)), files, (4 * side, 4 * side))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", cell_size(3) ** 2 // 3)  # words are smaller
    sheet = samples.sheet("two")
    monkeypatch.undo()
    assert Image.open(io.BytesIO(sheet)).width > 3 * cell_size(3)
