"""JPEG evidence in Python: what a picture read with its coefficients promises, and one without."""

import io

import torch
from PIL import Image

from mapsr_cli.imaging import read_picture
from mapsr_cli.inference import Settings, Upscaler
from mapsr_cli.inference.jpeg_evidence import compare_cells, stored_kernel
from mapsr_cli.operators import CellConsistency, Consistency, ResizingKernel, make_kernel, satisfied
from tests.jpegs import jpeg, photograph
from tests.told import told_model


def test_a_picture_with_its_coefficients_agrees_with_them() -> None:
    data = jpeg("4:2:0", photograph(48, 64, seed=5), 75)
    picture = read_picture(data, coefficients=True)
    upscaled, report = Upscaler(told_model()).upscale(picture)
    kept = report.consistency
    assert isinstance(kept, CellConsistency)
    assert kept.holds
    assert kept.coefficients == 48 * 64 + 2 * 24 * 32
    assert picture.jpeg is not None
    assert compare_cells(upscaled, picture, picture.jpeg, make_kernel("bicubic", 4))[0] == kept


def test_without_them_or_if_asked_for_levels_it_gives_its_levels_back() -> None:
    data = jpeg("4:2:0", photograph(32, 40, seed=5), 75)
    image = Image.open(io.BytesIO(data))
    upscaled, report = Upscaler(told_model()).upscale(image)
    assert isinstance(report.consistency, Consistency)
    asked, again = Upscaler(told_model(), Settings(evidence="levels")).upscale(read_picture(data, coefficients=True))
    assert isinstance(again.consistency, Consistency)
    assert torch.equal(asked.levels, read_picture_of(upscaled))


def read_picture_of(image: Image.Image) -> torch.Tensor:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return read_picture(buffer.getvalue()).levels


def test_the_kernel_of_the_stored_orientation() -> None:
    upright, turned = (read_picture(jpeg("grey", photograph(16, 24), turn=turn), coefficients=True) for turn in (1, 6))
    assert upright.jpeg is not None
    assert turned.jpeg is not None
    gaussian, between = make_kernel("gaussian9", 4), ResizingKernel("bicubic", (24, 16), (60, 41))
    assert stored_kernel(upright.jpeg, gaussian) is gaussian
    assert stored_kernel(turned.jpeg, gaussian) is None
    assert stored_kernel(turned.jpeg, make_kernel("box", 2)) == make_kernel("box", 2)
    assert stored_kernel(turned.jpeg, between) == ResizingKernel("bicubic", (16, 24), (41, 60))


def test_rows_of_cells_are_those_of_the_whole() -> None:
    """In every grid; and only where all agrees, they are counted without looking for proofs."""
    for kind in ("4:2:0", "4:1:1", "4:4:0", "grey"):
        picture = read_picture(jpeg(kind, photograph(117, 40, seed=2), 60), coefficients=True)
        assert picture.jpeg is not None
        x, n = picture.levels.double(), picture.jpeg.tables.block
        whole, part = picture.jpeg.cells(x), picture.jpeg.rows_of_cells(x, slice(2 * n, 117))
        ay = x + torch.randn(x.shape, generator=torch.Generator().manual_seed(0), dtype=x.dtype)
        torch.testing.assert_close(part.violation(ay[:, 2 * n :]), whole.violation(ay)[:, 2 * n :])
        centre = x + whole.lift(whole.middle)
        inside = satisfied(whole, centre)
        assert inside is not None
        assert inside.coefficients == inside.inside == int(whole.half.isfinite().sum())
        assert satisfied(whole, ay + 50) is None
