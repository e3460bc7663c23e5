"""Any size that is asked for, and the promise at it."""

from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from mapsr_cli.errors import UsageError
from mapsr_cli.imaging import Picture, read_picture, read_provenance
from mapsr_cli.inference import Settings, Upscaler
from mapsr_cli.inference.files import Output, upscale_file
from mapsr_cli.inference.sizes import SizeRequest
from mapsr_cli.inference.verification import KernelChoice, verify_files
from mapsr_cli.operators import Kernel, ResizingKernel, make_kernel
from mapsr_cli.zoo import load_model
from tests.operators.test_resized_axis import imresize_bicubic
from tests.pictures import save, scene


def upscaler_for(model: Path, request: SizeRequest, **settings: object) -> Upscaler:
    return Upscaler(load_model(model), Settings(size=request, **settings), device="cpu")  # type: ignore[arg-type]


@pytest.mark.parametrize("scale", [1.5, 2, 2.35, 3, 4, 5.5, 8, 17])
def test_the_original_comes_back_at_every_ratio(tiny_model: Path, scale: float) -> None:
    hr = scene(*SizeRequest(scale=scale).of(20, 27), seed=2)
    rows, cols = (torch.from_numpy(imresize_bicubic(*pair)) for pair in ((hr.shape[-2], 20), (hr.shape[-1], 27)))
    lr = (rows @ hr.double() @ cols.T).clamp(0, 255).round().byte()
    levels, report = upscaler_for(tiny_model, SizeRequest(scale=scale)).upscale(lr)
    assert levels.shape == hr.shape
    assert report.consistency.holds
    down = rows @ levels.double() @ cols.T  # by an A that shares no code with ours
    assert torch.equal(down.clamp(0, 255).round(), lr.double())


@pytest.mark.parametrize("kind", ["alpha", "grey", "deep", "strength", "float"])
def test_every_kind_of_picture_and_promise(tiny_model: Path, kind: str) -> None:
    levels = scene(16, 21, seed=1)
    request = SizeRequest(width=50)
    settings: dict[str, Any] = {}
    picture = Picture(levels.byte())
    if kind == "alpha":
        picture = Picture(levels.byte(), alpha=levels[:1].byte())
    elif kind == "grey":
        picture = Picture(levels[:1].byte())
    elif kind == "deep":
        picture = Picture((257 * levels).to(torch.uint16), peak=65535)
    else:
        settings = {"strength": 0.5} if kind == "strength" else {"consistency": "float"}
    upscaler = upscaler_for(tiny_model, request, **settings)
    result, report = upscaler._upscale(picture, lambda *_: None, 1)
    assert result.size == upscaler.size_of(picture) == (50, 38)
    if not settings:
        assert report.consistency.holds
    elif kind == "float":
        assert report.max_abs_float < 1e-5
        assert report.consistency.share > 0.9


def test_tiles_change_nothing(tiny_model: Path) -> None:
    lr = scene(40, 30).byte()
    whole, tiled = (upscaler_for(tiny_model, SizeRequest(scale=2.5), tile=n)(lr) for n in (0, 16))
    assert (whole.int() - tiled.int()).abs().max() <= 1


def test_a_whole_factor_has_the_kernel_of_that_factor(tiny_model: Path) -> None:
    picture = Picture(scene(12, 10).byte())
    assert upscaler_for(tiny_model, SizeRequest(scale=2)).kernel_for(picture) == make_kernel("bicubic", 2)
    own = upscaler_for(tiny_model, SizeRequest(scale=4)).kernel_for(picture)
    assert isinstance(own, Kernel)
    assert own.scale == 4
    assert isinstance(upscaler_for(tiny_model, SizeRequest(scale=2.5)).kernel_for(picture), ResizingKernel)


def test_the_file_says_both_sizes_and_verify_follows(tiny_model: Path, tmp_path: Path) -> None:
    original = save(scene(18, 24), tmp_path / "a.png")
    data, _ = upscale_file(original, upscaler_for(tiny_model, SizeRequest(width=57)), Output("PNG"))
    (tmp_path / "b.png").write_bytes(data)
    stored = read_provenance(tmp_path / "b.png")
    assert stored is not None
    assert (stored.original_size, stored.size) == ((24, 18), (57, 43))
    assert stored.scale == pytest.approx(2.38, abs=0.01)
    assert verify_files(original, tmp_path / "b.png", KernelChoice()).consistency.holds
    levels = read_picture(tmp_path / "b.png").levels
    plain = save(levels, tmp_path / "plain.png")  # without metadata: A between the two sizes, and a note
    checked = verify_files(original, plain, KernelChoice())
    assert checked.consistency.holds
    assert "taking bicubic ×2.38" in checked.notes[0]


def test_pictures_are_turned_before_they_are_measured(tiny_model: Path, tmp_path: Path) -> None:
    image, exif = Image.new("RGB", (20, 10), "red"), Image.Exif()
    exif[0x112] = 6  # is shown 10 wide and 20 high
    image.save(tmp_path / "a.png", exif=exif)
    data, _ = upscale_file(tmp_path / "a.png", upscaler_for(tiny_model, SizeRequest(width=25)), Output("PNG"))
    (tmp_path / "b.png").write_bytes(data)
    assert read_picture(tmp_path / "b.png").size == (25, 50)


def test_sizes_in_python(tiny_model: Path) -> None:
    levels = scene(12, 10).byte()
    for size, shape in ((2.5, (30, 25)), ((40, 40), (40, 33)), (SizeRequest(height=20), (20, 17))):
        assert Upscaler(str(tiny_model), size=size, device="cpu")(levels).shape[-2:] == shape


def test_what_has_no_such_size_is_refused(tiny_model: Path) -> None:
    picture = Picture(scene(12, 10).byte())
    with pytest.raises(UsageError, match="no larger than the original"):
        upscaler_for(tiny_model, SizeRequest(width=10))(picture.levels)
    larger = Picture(scene(48, 40).byte())
    for near in (SizeRequest(scale=1.03), SizeRequest(width=43), SizeRequest(scale=1.08)):
        with pytest.raises(UsageError, match=r"too near to the original's 40×48 \(below ×1.1\)"):
            upscaler_for(tiny_model, near).size_of(larger)


def test_near_the_original_s_size_without_the_promise(tiny_model: Path) -> None:
    levels = scene(48, 40, seed=4).byte()
    result, report = upscaler_for(tiny_model, SizeRequest(width=42), consistency="float").upscale(levels)
    assert tuple(result.shape) == (3, 50, 42)
    assert 0.5 < report.consistency.share < 1
    assert report.max_abs_float < 1e-4
