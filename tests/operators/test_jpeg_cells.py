"""JPEG cells as evidence: P_C, L and its transpose, per-sample tables, and A ŷ ∈ C, in every colour and grid."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mapsr_cli.errors import UsageError
from mapsr_cli.operators import (
    TOLD,
    EachOwn,
    Evidence,
    JpegCells,
    JpegTables,
    Point,
    downsampling,
    jpeg_cells,
    make_kernel,
)
from mapsr_cli.operators.jpeg_tables import GRIDS, _colour_matrix, _diagonal, _forward

EXACT = 1e-10
KINDS = [*GRIDS, "grey", "grey seen as RGB", "RGB"]
SIZE = (37, 70)
"""No multiple of any block: of some grids, only luma has blocks beside the border."""


def draw(seed: int, *size: int) -> Tensor:
    return torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def tables_of(kind: str, seed: int = 0, batch: tuple[int, ...] = ()) -> JpegTables:
    """Steps of 1 … 60 levels, finer at low frequencies."""
    planes = 1 if kind.startswith("grey") else 3
    steps = (1 + draw(seed, *batch, planes, 8, 8).abs() * (4 + torch.arange(64).view(8, 8) / 2)).round()
    chroma = GRIDS.get(kind, (1, 1))
    return JpegTables(steps, ((1, 1), chroma, chroma)[:planes], rgb=kind == "RGB")


def channels_of(kind: str) -> int:
    return 1 if kind == "grey" else 3


def cells_of(kind: str, seed: int = 0, batch: tuple[int, ...] = (), size: tuple[int, int] = SIZE) -> JpegCells:
    """What an image, coded, says; x is that image with noise, so that it lies outside of many cells."""
    tables, image = tables_of(kind, seed, batch), 128 + 40 * draw(seed + 1, *batch, channels_of(kind), *size)
    return jpeg_cells(image + 9 * draw(seed + 2, *image.shape), tables.quantise(image), tables)


def in_ycc(kind: str, v: Tensor) -> Tensor:
    """The colours in which P_C is the nearest point, by the formulas of JFIF."""
    if v.shape[-3] == 1 or kind == "RGB":
        return v
    red, green, blue = v.unbind(-3)
    y = 0.299 * red + 0.587 * green + 0.114 * blue
    return torch.stack([y, (blue - y) / 1.772, (red - y) / 1.402], -3)


@pytest.mark.parametrize("kind", KINDS)
@given(seed=st.integers(0, 99))
def test_nearest_is_the_projection_onto_a_convex_set(kind: str, seed: int) -> None:
    """P v lies in C; P² = P; ⟨v − P v, c − P v⟩ ≤ 0 for every c in C, in the colours that are stored."""
    cells = cells_of(kind, seed)
    v, other = 128 + 90 * draw(seed + 3, *cells.x.shape), 128 + 90 * draw(seed + 4, *cells.x.shape)
    z, inside = cells.nearest(v), cells.nearest(other)
    assert cells.violation(v).max() > 1
    assert cells.violation(z).max() <= EXACT
    assert (cells.nearest(z) - z).abs().max() <= EXACT
    moved, across = in_ycc(kind, v - z), in_ycc(kind, inside - z)
    assert (moved * across).sum() <= EXACT * moved.norm() * across.norm()


@pytest.mark.parametrize("kind", KINDS)
def test_a_margin_keeps_clear_of_every_face(kind: str) -> None:
    """Where a cell is wide enough; a narrower one becomes its middle."""
    cells = cells_of(kind)
    inside = cells.shrunk(0.3).nearest(cells.x)
    low, high = cells.bounds()
    c, limited = cells.coordinates(inside), cells.half.isfinite()
    room = torch.minimum(c - low, high - c)[limited]
    assert (room >= torch.clamp(cells.half[limited], max=0.3) - EXACT).all()
    assert torch.equal(cells.holds(inside), torch.ones_like(inside, dtype=torch.bool))


@pytest.mark.parametrize("kind", KINDS)
def test_the_maps_fit_together(kind: str) -> None:
    """⟨L v, c⟩ = ⟨v, Lᵀ c⟩, and L lift c = c for coordinates that are some image's."""
    tables, size = tables_of(kind), (channels_of(kind), *SIZE)
    v, c = draw(1, *size), draw(2, *size)
    assert float((tables.coefficients(v) * c).sum()) == pytest.approx(float((v * tables.adjoint(c)).sum()), abs=EXACT)
    assert float((tables.lift(c) * v).sum()) == pytest.approx(float((c * tables.lift_adjoint(v)).sum()), abs=EXACT)
    some = tables.coefficients(v)
    assert torch.allclose(tables.coefficients(tables.lift(some)), some, atol=EXACT)
    assert tables.lift(some).square().sum() <= in_norm(tables, v) + EXACT


def in_norm(tables: JpegTables, v: Tensor) -> Tensor:
    """More than lifting may give: RGB of an image in Y, Cb and Cr has at most 2.2 times its norm."""
    return 2.2**2 * in_ycc("RGB" if tables.rgb else "", v).square().sum()


@pytest.mark.parametrize("kind", KINDS)
def test_coefficients_are_the_dct_of_means(kind: str) -> None:
    """Against the definition, block by block, of what lies wholly inside the image."""
    tables, v = tables_of(kind), draw(5, channels_of(kind), *SIZE)
    c, planes = tables.coefficients(v), in_ycc(kind, v)
    u, i = torch.arange(8.0, dtype=torch.float64)[:, None], torch.arange(8.0, dtype=torch.float64)
    basis = torch.cos(torch.pi * u * (2 * i + 1) / 16) / 2 * torch.where(u == 0, 0.5**0.5, 1.0)
    expected = torch.zeros_like(c)
    for plane, (down, across) in enumerate(tables.grids):
        for top in range(0, SIZE[0] - 8 * down + 1, 8 * down):
            for left in range(0, SIZE[1] - 8 * across + 1, 8 * across):
                block = planes[plane, top : top + 8 * down, left : left + 8 * across]
                means = block.reshape(8, down, 8, across).mean((1, 3))
                expected[plane, top : top + 8, left : left + 8] = (down * across) ** 0.5 * basis @ means @ basis.T
    assert torch.allclose(c, expected, atol=EXACT)
    limited = jpeg_cells(v, tables.quantise(v), tables).half.isfinite()
    assert torch.equal(limited, expected != 0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_has_each_samples_own_tables(kind: str) -> None:
    batch = cells_of(kind, batch=(3,))
    v = 128 + 90 * draw(9, *batch.x.shape)
    stored = batch.tables.quantise(v)
    for n in range(3):
        tables = JpegTables(batch.tables.steps[n], batch.tables.factors, batch.tables.rgb)
        alone = jpeg_cells(batch.x[n], [k[n] for k in stored], tables)
        together = jpeg_cells(batch.x, stored, batch.tables)
        assert torch.allclose(together.nearest(v)[n], alone.nearest(v[n]), atol=EXACT)
        assert torch.allclose(batch.tables.numbers()[n], tables.numbers())
        assert all(torch.equal(k[n], own) for k, own in zip(stored, tables.quantise(v[n]), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_the_estimate_satisfies_the_evidence(kind: str) -> None:
    """A ŷ = z ∈ C for ŷ = f + A⁺(z − A f), z = P_C(A f), of a batch."""
    cells = cells_of(kind, batch=(2,))
    op = downsampling(make_kernel("bicubic", 4), (4 * SIZE[0], 4 * SIZE[1]), torch.float64)
    f = 128 + 60 * draw(7, 2, channels_of(kind), *op.hr_size)
    estimate = op.project(f, cells.nearest(op.down(f)))
    assert cells.violation(op.down(f)).max() > 1
    assert cells.violation(op.down(estimate)).max() <= EXACT * 255


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_coded_comes_back(kind: str) -> None:
    """Whole blocks, decoded, have the same k; the decoded image lies in every cell's middle."""
    tables, size = tables_of(kind), (64, 96)
    stored = tables.quantise(128 + 50 * draw(3, channels_of(kind), *size))
    decoded = tables.decode(stored)
    assert decoded.shape[-2:] == size
    assert all(torch.equal(k, again) for k, again in zip(stored, tables.quantise(decoded), strict=True))
    cells = jpeg_cells(decoded, stored, tables)
    assert cells.middle.abs().max() <= EXACT * 255


@pytest.mark.parametrize("kind", ["4:2:0", "grey", "RGB"])
def test_differentiable_in_any_unit(kind: str) -> None:
    cells = cells_of(kind, size=(16, 16))
    stored = cells.tables.quantise(cells.x)
    small = jpeg_cells(cells.x / 255, stored, cells.tables, peak=1.0)
    v = (cells.x + 30 * draw(4, *cells.x.shape)).requires_grad_()
    assert torch.allclose(255 * small.nearest(v / 255), jpeg_cells(cells.x, stored, cells.tables).nearest(v))
    assert torch.autograd.gradcheck(cells.nearest, (v,))


@pytest.mark.parametrize("side", [80, 128])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_differentiable_after_an_image_was_upscaled(side: int, dtype: torch.dtype) -> None:
    """What inference mode left in the caches can be saved for a gradient."""
    v = draw(5, 3, side, side).to(dtype)
    cells = cells_of("4:2:0", size=(side, side))
    tables = JpegTables(cells.tables.steps.to(dtype), cells.tables.factors)
    for cached in (_forward, _diagonal, _colour_matrix):
        cached.cache_clear()
    with torch.inference_mode():
        tables.lift(tables.coefficients(v))
    v.requires_grad_()
    (gradient,) = torch.autograd.grad(tables.lift(tables.coefficients(v)).square().sum(), v)
    assert gradient.isfinite().all()


@pytest.mark.parametrize("kind", KINDS)
def test_large_images_are_transformed_as_their_parts_are(kind: str) -> None:
    """Below and above the size from which planes are taken one by one."""
    tables, v = tables_of(kind), draw(6, channels_of(kind), 2 * 64, 2 * 64)
    for apply in (tables.coefficients, tables.adjoint, tables.lift, tables.lift_adjoint):
        parts = [torch.cat([apply(part) for part in torch.split(half, 64, -1)], -1) for half in torch.split(v, 64, -2)]
        assert torch.allclose(apply(v), torch.cat(parts, -2), rtol=0, atol=EXACT)


def test_in_float32() -> None:
    cells = cells_of("4:2:0")
    low = jpeg_cells(cells.x.float(), cells.tables.quantise(cells.x), cells.tables)
    z = low.nearest(cells.x.float() + 20)
    assert z.dtype == torch.float32
    assert low.violation(z).max() < 2e-3


@pytest.mark.parametrize("kind", ["4:2:0", "4:1:1", "grey"])
def test_about_parts(kind: str) -> None:
    """The evidence about a part that begins with a block says what the whole does."""
    cells = cells_of(kind, size=(70, 96))
    n = cells.block
    place = (slice(None), slice(n, 70), slice(n, 3 * n))
    v = 128 + 60 * draw(3, *cells.x.shape)
    part = cells.at([place, place])
    assert torch.allclose(part.violation(v[place].expand_as(part.x))[1], cells.violation(v)[place], atol=EXACT)


def test_what_a_network_is_told() -> None:
    flat = torch.full((3, 8, 8), 2.0)
    flat[1:] = 16.0
    flat[1, 7, 7] = 16.0 * (1 + 54)
    told = JpegTables(flat, ((1, 1), (2, 2), (2, 2))).numbers()
    assert torch.allclose(told, torch.tensor([1.0, 1.0, 4.0, torch.log2(torch.tensor(24.0))]))
    assert JpegTables(flat[:1]).numbers().tolist() == [1, 1, 0, 0]
    assert JpegTables(torch.ones(3, 8, 8)).numbers().tolist() == [0, 0, 0, 0]
    assert JpegTables(torch.full((3, 8, 8), 8.0), rgb=True).numbers().tolist() == [3, 3, 3, 3]


def test_what_a_network_is_told_of_a_file() -> None:
    """A fifth of the tables' numbers, and half of log₂ of the pixels per sample of chroma."""
    for kind, halvings in {"4:4:4": 0.0, "4:2:2": 0.5, "4:2:0": 1.0, "grey": 0.0}.items():
        cells = cells_of(kind)
        wanted = torch.cat([cells.tables.numbers() / 5, torch.tensor([halvings, 0.0])])
        assert torch.allclose(cells.told(), wanted[None].double())
    batch = cells_of("4:2:0", batch=(2,))
    assert batch.told().shape == (2, TOLD)
    assert not torch.equal(batch.told()[0], batch.told()[1])


def test_batches_of_several_kinds() -> None:
    """Samples of a kind together, wherever they lie in the batch."""
    pair, other = cells_of("4:2:0", batch=(2,)), cells_of("4:4:4", 5)
    batch = EachOwn.of([pair, other], [[2, 0], 1])
    v = 128 + 90 * draw(4, *batch.x.shape)
    z = batch.nearest(v)
    assert torch.equal(z[[2, 0]], pair.nearest(v[[2, 0]]))
    assert torch.equal(z[1], other.nearest(v[1]))
    assert torch.equal(batch.told()[[2, 0]], pair.told())
    assert torch.equal(batch.told()[1], other.told()[0])
    assert torch.equal(batch.violation(v)[1], other.violation(v[1]))
    moved = batch.to(torch.device("meta"))
    assert {part.x.device.type for part in moved.parts} == {moved.x.device.type} == {"meta"}


def test_samples_of_several_kinds() -> None:
    """A batch of two JPEGs with different grids and a lossless image: each is what it is alone."""
    parts: list[Evidence] = [cells_of("4:2:0"), cells_of("4:4:4", 5), Point(128 + 30 * draw(3, 3, *SIZE))]
    batch = EachOwn.of(parts)
    v = (128 + 90 * draw(4, *batch.x.shape)).requires_grad_()
    z = batch.nearest(v)
    assert all(torch.equal(z[n], part.nearest(v[n])) for n, part in enumerate(parts))
    assert batch.violation(z).max() <= EXACT
    assert batch.violation(v).max() > 1
    (gradient,) = torch.autograd.grad(z.sum(), v)
    assert (gradient[2] == 0).all()
    assert (gradient[:2] != 0).any()
    inside = batch.shrunk(0.2).nearest(v)
    assert batch.holds(inside)[:2].all()
    assert batch.describe() == f"{parts[0].describe()}; {parts[2].describe()}"
    c = draw(5, *batch.x.shape)
    there, back = (batch.coordinates(v) * c).sum(), (v * batch.coordinates_adjoint(c)).sum()
    assert torch.allclose(there, back, atol=EXACT)


def test_too_few_blocks() -> None:
    tables = tables_of("4:2:0")
    stored = tables.quantise(draw(0, 3, 32, 32))
    with pytest.raises(UsageError, match="too few"):
        jpeg_cells(draw(1, 3, 48, 32), stored, tables)


@pytest.mark.parametrize("kind", ["4:2:0", "4:1:1", "4:4:0", "RGB", "grey"])
def test_noise_of_rounding_stays_within_a_margin(kind: str) -> None:
    """What a margin of five times rounding's standard deviation keeps out, rounding does not reach."""
    cells, kernel = cells_of(kind, size=(64, 64)), make_kernel("bicubic", 4)
    op = downsampling(kernel, (256, 256), torch.float64)
    y = op.project(128 + 20 * draw(8, channels_of(kind), 256, 256), cells.shrunk(1.0).nearest(cells.x))
    disturbed = cells.coordinates(op.down(y.round() - y))
    assert disturbed.abs().max() < 5 * kernel.noise_gain * 12**-0.5
    assert disturbed.std() > 0.1 * kernel.noise_gain * 12**-0.5
