from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from mapsr_cli.imaging.digital_source import COMPOSITE, ENHANCED, digital_source
from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.operators import make_kernel
from mapsr_cli.reports.document import read_report
from mapsr_cli.zoo import Card, save_model
from tests.cli.conftest import Mapsr
from tests.pictures import HAS_AVIF, lr_of, save, scene

LR = lr_of(scene(48, 40), make_kernel("bicubic", 4))


def stored(path: Path) -> str | None:
    with Image.open(path) as image:
        xmp = image.info.get("xmp") or b""
    return digital_source(xmp if isinstance(xmp, bytes) else xmp.encode())


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg", "avif", "bmp"])
def test_results_say_what_they_are(mapsr: Mapsr, tmp_path: Path, tiny_model: Path, suffix: str) -> None:
    if suffix == "avif" and not HAS_AVIF:
        pytest.skip("this Pillow has no AVIF")
    source, target = save(LR, tmp_path / "in.png"), tmp_path / f"out.{suffix}"
    done = mapsr("upscale", source, "-o", target, "-m", tiny_model, "--report")
    assert (done.code, "cannot keep" in done.stderr) == (0, False)
    expected = None if suffix == "bmp" else ENHANCED
    assert (stored(target), read_report(target.with_suffix(".json")).result.label) == (expected, expected)
    assert mapsr("redo", target.with_suffix(".json"), source, "-m", tiny_model).code == 0
    words = ("upscale", source, "-o", target, "-m", tiny_model, "--report", "--label", "none", "--overwrite")
    assert mapsr(*words).code == 0
    assert (stored(target), read_report(target.with_suffix(".json")).result.label) == (None, None)
    assert mapsr("redo", target.with_suffix(".json"), source, "-m", tiny_model).code == 0


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_animations_and_pages(mapsr: Mapsr, tmp_path: Path, tiny_model: Path, suffix: str) -> None:
    frames = [Image.fromarray(plane.byte().numpy()) for plane in LR]
    frames[0].save(tmp_path / "in.gif", save_all=True, append_images=frames[1:], duration=50)
    target = tmp_path / f"out.{suffix}"
    assert mapsr("upscale", tmp_path / "in.gif", "-o", target, "-m", tiny_model, "--animate").code == 0
    assert stored(target) == ENHANCED


@pytest.mark.parametrize("method", ["affgan", "softll", ""])
def test_of_a_model_that_invents(mapsr: Mapsr, tmp_path: Path, tiny_card: Card, method: str) -> None:
    model = tmp_path / "model.safetensors"
    save_model(model, Compact(CompactConfig(**tiny_card.config)), replace(tiny_card, method=method))
    assert mapsr("upscale", save(LR, tmp_path / "in.png"), "-m", model).code == 0
    assert stored(tmp_path / "in_x4.png") == COMPOSITE
