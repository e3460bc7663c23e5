"""Sheets of the paper's figures, of pictures that may be shown."""

from pathlib import Path

import pytest
import torch
from PIL import Image

import tools.figure_sheets as sheets
from tests.pictures import save, scene


@pytest.mark.parametrize("sheet", [sheets.FIGURE3, sheets.FIGURE4], ids=["fig3", "fig4"])
def test_a_row_has_the_input_the_target_and_each_method(sheet: sheets.Sheet) -> None:
    truths = torch.stack([scene(32, 32, seed) / 255 for seed in range(2)])
    cells, columns = sheet.by_picture(truths)
    assert [len(row) for row in cells] == [len(columns)] * 2
    for row, truth in zip(cells, truths, strict=True):
        assert row[0].shape == (3, 8, 8)
        assert torch.equal(row[1], truth)
        assert all(not torch.allclose(a, b) for n, a in enumerate(row[2:]) for b in row[3 + n :])


def test_photographs_are_divided_between_figures_5_and_8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for folder, count in (("textures", 1), ("faces", 1), ("photographs", 4)):
        (tmp_path / folder).mkdir()
        for n in range(count):
            save(scene(32, 32, n), tmp_path / folder / f"{n}.png")
    monkeypatch.setattr(sheets, "PATCH", 32)
    monkeypatch.setattr(sheets, "FACE", 32)
    drawn: dict[str, int] = {}
    monkeypatch.setattr(sheets, "write_sheet", lambda path, cells, *_, **__: drawn.update({path.name: len(cells[0])}))
    sheets.draw_sheets(tmp_path, tmp_path)
    assert drawn == {"fig3.jpg": 6, "fig4.jpg": 6, "fig5.jpg": 2, "fig8.jpg": 2}


def test_a_sheet_is_a_jpeg_and_nothing_else_is_left(tmp_path: Path) -> None:
    sheets.write_sheet(tmp_path / "fig.jpg", [[torch.rand(3, 8, 8), torch.rand(3, 2, 2)]], ["a", "b"])
    assert [path.name for path in tmp_path.iterdir()] == ["fig.jpg"]
    with Image.open(tmp_path / "fig.jpg") as image:
        assert image.format == "JPEG"
