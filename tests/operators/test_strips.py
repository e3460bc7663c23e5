"""A strip at a time is the whole, bit for bit; levels keep an image and what it rounds."""

import pytest
import torch

from mapsr_cli.operators import Levels, downsampling, make_kernel, make_psf, make_strips, to_levels
from mapsr_cli.operators.convolved import ConvolvedDownsampling
from mapsr_cli.operators.psf import Psf
from mapsr_cli.operators.separable import SeparableDownsampling
from mapsr_cli.operators.strips import LEAST_ROWS
from tests.bits import same_sums

KERNELS = [("bicubic", 4), ("gaussian9", 4), ("lanczos3", 2), ("box", 3), ("gaussian9", 2)]


@pytest.mark.parametrize(("name", "scale"), KERNELS)
@pytest.mark.parametrize("size", [(333, 40), (97, 64), (65, 33), (33, 70), (1, 5)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_strips_are_the_whole(name: str, scale: int, size: tuple[int, int], dtype: torch.dtype) -> None:
    height, width = scale * size[0], scale * size[1]
    op = downsampling(make_kernel(name, scale), (height, width), dtype)
    generator = torch.Generator().manual_seed(0)
    f = torch.rand(3, height, width, dtype=dtype, generator=generator)
    x = torch.rand(3, *size, dtype=dtype, generator=generator)
    correction = op.inverse_gram(x - op.down(f))
    for plane in (1, 50 * scale**2 * size[1] * dtype.itemsize, 10**9):
        strips = make_strips(op, plane)
        assert same_sums(strips.down_whole(lambda rows: f[:, rows]), op.down(f))
        y = f.clone()
        for part in strips.plan:
            strips.add_adjoint(part, correction, y[:, strips.hr(part)])
        assert same_sums(y, op.project(f, x))


def test_sizes_that_are_no_multiple_of_the_scale() -> None:
    op = downsampling(make_kernel("bicubic", 4), (399, 30), torch.float64)
    y = torch.rand(1, 399, 30, dtype=torch.float64)
    assert same_sums(make_strips(op, 1).down_whole(lambda rows: y[:, rows]), op.down(y))


@pytest.mark.parametrize("height", [1, 31, 32, 63, 64, 65, 500])
def test_plan(height: int) -> None:
    strips = make_strips(downsampling(make_kernel("bicubic", 4), (4 * height, 8)), 1)
    assert [row for part in strips.plan for row in range(part.start, part.stop)] == list(range(height))
    assert all(part.stop - part.start >= min(LEAST_ROWS, height) for part in strips.plan)


@pytest.mark.parametrize("taps", [9, 99])
def test_a_strip_reads_no_further_than_its_neighbours(taps: int) -> None:
    """What `project` relies on when it gives rows up."""
    op = downsampling(make_kernel(f"gaussian{taps}", 4), (4 * 700, 8))
    assert isinstance(op, SeparableDownsampling)
    strips = make_strips(op, 1)
    assert len(strips.plan) > 4
    for index, part in enumerate(strips.plan):
        reads = op._rows.down.forward.band(part).reads
        around = strips.plan[max(index - 1, 0) : index + 2]
        assert strips.hr(around[0]).start <= reads.start
        assert reads.stop <= strips.hr(around[-1]).stop


@pytest.mark.parametrize(("peak", "dtype"), [(255, torch.float32), (65535, torch.float64)])
def test_levels(peak: int, dtype: torch.dtype) -> None:
    f = (peak * (1.4 * torch.rand(3, 9, 11, dtype=torch.float64) - 0.2)).to(dtype)
    f = f.clamp(-400, peak + 400)
    levels = Levels.rounded(f, peak)
    image, ahead = levels.gather([(slice(None), slice(2, 7), slice(None))], torch.float64)
    assert torch.equal(image[0], to_levels(f.double(), peak)[:, 2:7])
    assert (image + ahead - f[:, 2:7]).abs().max() <= 1 / 128
    assert torch.equal(levels.rows(slice(2, 7)), image[0].to(dtype))
    corners: list[tuple[slice | int, ...]] = [(1, slice(0, 3), slice(0, 3)), (2, slice(6, 9), slice(8, 11))]
    image, ahead = levels.gather(corners, torch.float64)
    levels.scatter(corners, torch.full_like(image, 7), image + ahead - 7)
    image, ahead = levels.gather(corners, torch.float64)
    estimate = torch.stack([f[at] for at in corners])
    assert (image == 7).all()
    far = (estimate - 7).abs() > 511
    assert ((image + ahead - estimate).abs()[~far] <= 1 / 64).all()


def measured(rows: int, cols: int, scale: int) -> Psf:
    plane = torch.rand(rows, cols, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    plane[rows // 2, cols // 2] += 0.5 * rows * cols  # far from singular
    return make_psf("measured", plane.tolist(), scale)


@pytest.mark.parametrize(("rows", "cols", "scale"), [(5, 6, 2), (15, 9, 4), (1, 1, 3), (61, 7, 4)])
@pytest.mark.parametrize("size", [(133, 11), (65, 8), (33, 20), (1, 5)])
@pytest.mark.parametrize("less", [0, 1])
def test_strips_of_a_measured_kernel(rows: int, cols: int, scale: int, size: tuple[int, int], less: int) -> None:
    op = downsampling(measured(rows, cols, scale), (scale * size[0] - less, scale * size[1]), torch.float64)
    assert isinstance(op, ConvolvedDownsampling)
    generator = torch.Generator().manual_seed(0)
    y, r = (torch.rand(3, *n, dtype=torch.float64, generator=generator) for n in (op.hr_size, size))
    strips = make_strips(op, 1)
    assert len(strips.plan) == max(size[0] // max(LEAST_ROWS, 2 * op._phases.shape[1]), 1)
    assert torch.allclose(strips.down_whole(lambda part: y[:, part]), op.down(y), rtol=0, atol=1e-12)
    expected = op.adjoint(r) + y
    for part in strips.plan:
        strips.add_adjoint(part, r, y[:, strips.hr(part)])
    assert torch.allclose(y, expected, rtol=0, atol=1e-12)


def test_the_gram_matrix_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    op = downsampling(measured(15, 9, 4), (4 * 133, 44), torch.float64)
    assert isinstance(op, ConvolvedDownsampling)
    r = torch.rand(2, 133, 11, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr("mapsr_cli.operators.convolved.STRIP_BYTES", 1)
    assert len(op.plan(1)) == 4
    assert torch.allclose(op._gram(r), op.down(op.adjoint(r)), rtol=0, atol=1e-12)


def test_a_strip_of_a_measured_kernel_reads_no_further_than_its_neighbours() -> None:
    op = downsampling(measured(61, 7, 2), (2 * 700, 8))
    assert isinstance(op, ConvolvedDownsampling)
    plan = op.plan(1)
    for index, part in enumerate(plan):
        around = plan[max(index - 1, 0) : index + 2]
        assert around[0].start <= op.reads(part).start
        assert op.reads(part).stop <= around[-1].stop
