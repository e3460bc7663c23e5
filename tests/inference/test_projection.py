"""Strips, tiles and free memory change nothing that is saved."""

from pathlib import Path

import pytest
import torch

from mapsr_cli.errors import MapsrError
from mapsr_cli.inference import Settings
from mapsr_cli.inference.comparison import downscaled
from mapsr_cli.inference.level_upscaler import LevelUpscaler
from mapsr_cli.inference.projection import chunks_for, project, residual_of
from mapsr_cli.networks import Affine, Constraint, MinimumNorm, Unconstrained
from mapsr_cli.operators import (
    Downsampling,
    LevelCube,
    Point,
    Strips,
    downsampling,
    make_kernel,
    make_strips,
    round_trip,
    to_levels,
)
from mapsr_cli.zoo import load_model
from tests.bits import same_levels, same_sums
from tests.pictures import lr_of, scene

BICUBIC = make_kernel("bicubic", 4)
SIZE = (4 * 150, 4 * 20)


@pytest.mark.parametrize(("peak", "dtype"), [(255, torch.float32), (65535, torch.float64)])
@pytest.mark.parametrize("kind", [Affine, MinimumNorm, Unconstrained])
def test_projected_in_strips(
    peak: int, dtype: torch.dtype, kind: type[Constraint], monkeypatch: pytest.MonkeyPatch
) -> None:
    op = downsampling(BICUBIC, SIZE, dtype)
    f = torch.rand(3, *SIZE)
    x = to_levels(peak * op.down(scene(*SIZE).to(dtype) / 255), peak)
    strips = make_strips(op, 1)
    monkeypatch.setattr("mapsr_cli.inference.projection.CHUNK", 200_000)
    chunks = chunks_for(strips, 3)
    assert 1 < len(chunks._rows) < len(strips.plan)
    chunks.write(slice(0, SIZE[0]), slice(0, SIZE[1]), SIZE[1], f, times=peak)
    projected = project(strips, chunks, kind(BICUBIC), Point(x), x, peak)
    f = (f * peak).to(dtype)
    y = {Affine: op.project(f, x), MinimumNorm: f + op.pinv(x), Unconstrained: f}[kind]
    assert torch.equal(projected.levels.image.to(dtype), to_levels(y, peak))
    error = (x - op.down(y)).double() / peak
    assert same_sums(torch.tensor(projected.max_abs_float, dtype=torch.float64), error.abs().max())
    assert projected.mse_float == pytest.approx(error.square().mean().item())
    assert torch.equal(residual_of(strips, projected.levels, x), op.down(to_levels(y, peak)) - x)


@pytest.mark.parametrize("consistency", ["bits", "float"])
def test_upscaled_in_strips(tiny_model: Path, monkeypatch: pytest.MonkeyPatch, consistency: str) -> None:
    """Against the whole image in one, by the operators themselves."""
    model = load_model(tiny_model)
    upscaler = LevelUpscaler(model, Settings(consistency=consistency, tile=13))  # type: ignore[arg-type]
    x = lr_of(scene(*SIZE, contrast=2.0), BICUBIC)
    whole, _ = upscaler.upscale(x.byte())
    op = upscaler.operator(x.shape[-2], x.shape[-1])
    y = op.project(upscaler.estimate(x / 255) * 255, x)
    expected = round_trip(y, LevelCube(x, 255), op, 255).image if consistency == "bits" else to_levels(y, 255)
    assert same_levels(whole, expected)
    monkeypatch.setattr("mapsr_cli.inference.level_upscaler.make_strips", lambda op: make_strips(op, 1))
    assert same_levels(upscaler.upscale(x.byte())[0], whole)


def test_downscaled_in_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    hr = scene(*SIZE).byte()
    expected = to_levels(downsampling(BICUBIC, SIZE, torch.float64).down(hr.double()), 255).int()
    monkeypatch.setattr("mapsr_cli.inference.comparison.make_strips", lambda op: make_strips(op, 1))
    assert torch.equal(downscaled(hr, BICUBIC, 255), expected)


@pytest.mark.parametrize(("kernel", "scale"), [("bicubic", 4), ("box", 2), ("gaussian9", 3), ("lanczos3", 8)])
def test_downscaled_as_in_double_precision(kernel: str, scale: int) -> None:
    """Also where A y lies on a rounding boundary, as it does in every fourth sample of a box of whole levels at ×2."""
    a, hr = make_kernel(kernel, scale), scene(scale * 40, scale * 30).byte()
    exact = downsampling(a, (scale * 40, scale * 30), torch.float64).down(hr.double())
    assert torch.equal(downscaled(hr, a, 255), to_levels(exact, 255).int())


def test_downscaled_quickly_where_nothing_is_in_doubt(monkeypatch: pytest.MonkeyPatch) -> None:
    hr = torch.full((1, 40, 40), 7).byte()
    asked = []

    def noted(op: Downsampling) -> Strips:
        strips = make_strips(op)
        down = strips.down
        strips.down = lambda part, fetch: (asked.append(strips.dtype), down(part, fetch))[1]  # type: ignore[func-returns-value, method-assign]
        return strips

    monkeypatch.setattr("mapsr_cli.inference.comparison.make_strips", noted)
    assert (downscaled(hr, BICUBIC, 255) == 7).all()
    assert asked == [torch.float32]


def test_out_of_memory_is_noted(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    upscaler = LevelUpscaler(load_model(tiny_model), Settings(consistency="float"))
    x = scene(100, 90).byte()
    expected, calm = upscaler.upscale(x)
    network = upscaler.network.network

    def cramped(part: torch.Tensor) -> torch.Tensor:
        if part.shape[-1] > 80:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return network(part)  # type: ignore[no-any-return]

    monkeypatch.setattr(upscaler.network, "network", cramped)
    monkeypatch.setattr(upscaler.network, "_per_pixel", 100.0)
    levels, report = upscaler.upscale(x)
    assert report.notes == ("out of memory in tiles of 768 pixels: took 48",)
    assert same_levels(levels, expected)
    assert calm.notes == ()


@pytest.mark.parametrize("step", ["project", "mend"])
def test_out_of_memory_after_the_network(tiny_model: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def cramped(*_: object, **settings: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(f"mapsr_cli.inference.level_upscaler.{step}", cramped)
    with pytest.raises(MapsrError, match="upscaling to 80×72 pixels"):
        LevelUpscaler(load_model(tiny_model)).upscale(scene(18, 20).byte())


def test_tiles_by_free_memory(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def tile(chosen: int | None) -> int:
        network = LevelUpscaler(load_model(tiny_model), Settings(tile=chosen)).network
        return network.tile_for(torch.zeros(3, 1000, 1000))

    sides = []
    for free in (1 << 34, 1 << 28, 0):
        monkeypatch.setattr("mapsr_cli.inference.tiled_network.free_memory", lambda device, free=free: free)
        sides.append(tile(None))
    assert sides[0] == 768
    assert 32 < sides[1] < 768
    assert sides[2] == 32
    assert tile(0) == 1000
    assert tile(77) == 77
