"""What the page of `mapsr upscale --compare` shows and says."""

import base64
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from mapsr_cli.imaging import Picture
from mapsr_cli.imaging.tags import Tags
from mapsr_cli.inference import Settings, Upscaler
from mapsr_cli.operators import Consistency
from mapsr_cli.views import before_after as module
from mapsr_cli.views.before_after import Compared, Part, before_after, describe_consistency, facts_of
from mapsr_cli.views.screen import as_image, enlarged, levels_of
from mapsr_cli.zoo import load_model
from tests.pictures import scene
from tests.views.browser import MISSING, WHY, browsing

SMALL = Picture(scene(20, 30).byte())
SIZE = 120, 80
LARGE = [Picture(scene(80, 120, seed).byte()) for seed in (1, 2)]


def compared(versions: int = 1, **more: Any) -> Compared:
    labels = [f"version {n}" for n in range(versions)]
    return Compared(SMALL, SIZE, labels, lambda: [as_image(picture) for picture in LARGE[:versions]], **more)


def pictures(html: str) -> list[Tensor]:
    found = re.findall(r'src="data:image/webp;base64,([^"]*)"', html)
    return [levels_of(Image.open(io.BytesIO(base64.b64decode(data)))) for data in found]


def test_the_pictures_are_the_files() -> None:
    html = before_after("a <b>", "lead & all", compared(2), [("Model", "<tiny>")])
    before, *versions = pictures(html)
    assert torch.equal(before, levels_of(enlarged(as_image(SMALL), SIZE)))
    assert all(torch.equal(shown, picture.levels) for shown, picture in zip(versions, LARGE, strict=True))
    assert re.findall(r'<img alt="([^"]*)"', html) == ["before: input, bicubic ×4", "version 0", "version 1"]
    for text in ("<h1>a &lt;b&gt;</h1>", "lead &amp; all", "<dt>Model</dt><dd>&lt;tiny&gt;</dd>", 'data-right="1"'):
        assert text in html


@pytest.mark.parametrize("versions", [1, 2])
def test_what_is_too_large_is_shown_in_part_and_reduced(versions: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PIXELS", 9000)
    html = before_after("a", "b", compared(versions), [])
    shown = pictures(html)
    assert sum(picture[0].numel() for picture in shown) <= 9000
    assert html.count("<figcaption>") == 2
    detail, overview = shown[1], shown[versions + 2]
    left, top = map(int, re.findall(r"from \((\d+), (\d+)\) on", html)[0])
    assert torch.equal(detail, LARGE[0].levels[:, top : top + detail.shape[1], left : left + detail.shape[2]])
    times = int(re.findall(r"to 1/(\d+)", html)[0])
    assert overview.shape[1:] == (-(-80 // times), -(-120 // times))


def test_the_detail_is_where_there_is_most_to_see() -> None:
    after = np.array(enlarged(as_image(SMALL), SIZE))
    after[40:56, 90:100] ^= 128
    left, top, right, bottom = Compared(SMALL, SIZE, ["a"], lambda: [Image.fromarray(after)]).most((48, 48))
    assert left <= 90
    assert right >= 100
    assert top <= 40
    assert bottom >= 56
    busyness = np.zeros((5, 8))
    busyness[0, 0] = 1
    assert compared(2, busyness=busyness).most((32, 32)) == (0, 0, 32, 32)


def test_parts_of_before_and_after_lie_on_each_other() -> None:
    alpha = torch.zeros(1, 20, 30, dtype=torch.uint8)
    clear = as_image(Picture(SMALL.levels, alpha=alpha))
    part = Part((13, 21, 77, 69), 2)
    large = clear.resize((120, 80), Image.Resampling.NEAREST)
    assert torch.equal(part.of(large), part.enlarged(clear, SIZE))
    assert part.of(large).shape == (3, 24, 32)


def test_pillows_limit_is_not_for_our_own_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    image = as_image(Picture(scene(20, 30).byte()))
    assert Part((2, 4, 26, 18), times=2).of(image).shape == (3, 7, 12)


def test_the_profile_comes_along() -> None:
    icc = bytes(16) + b"RGB " + bytes(108)
    html = before_after("a", "b", Compared(Picture(SMALL.levels, tags=Tags(icc)), SIZE, ["x"], compared().images), [])
    for data in re.findall(r"base64,([^\"]*)", html):
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            assert image.info["icc_profile"] == icc


def test_what_is_said(tiny_model: Path) -> None:
    upscaler = Upscaler(load_model(tiny_model), Settings("float", strength=0.5))
    good, bad = Consistency(100, 100), Consistency(100, 99, 3, 0.01)
    exact, other = (describe_consistency("It", held, upscaler.kernel) for held in (good, bad))
    assert exact == "It, downscaled by bicubic ×4 and rounded, is the input again, bit for bit."
    assert other.endswith("is the input with 1 of 100 samples off, by 3 levels at worst.")
    facts = dict(facts_of(upscaler, SMALL, ("a.png", "b.png"), bad))
    assert facts["Before"] == "a.png: 30 × 20 pixels, 8 bits; shown enlarged by bicubic interpolation"
    assert facts["After"] == "b.png: 120 × 80 pixels"
    assert facts["bit_exact"] == "0.990000 (--consistency float) (--strength 0.5)"
    assert facts["Model"] == "tiny"
    assert "Seed" not in facts


@pytest.mark.slow
@pytest.mark.skipif(MISSING, reason=WHY)
def test_in_a_browser(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is complained of, both sliders work, and another version can be chosen."""
    monkeypatch.setattr(module, "PIXELS", 9000)
    page = tmp_path / "page.html"
    page.write_text(before_after("two", "lead", compared(2), [("Model", "tiny")]), "utf-8")
    with browsing() as browser:
        browser.open(page)
        assert (
            browser.run("return [...document.querySelectorAll('.tag')].map(tag => tag.textContent)")
            == [
                "before: input, bicubic ×4",
                "version 0",
            ]
            * 2
        )
        browser.run(
            "const s = document.querySelectorAll('select')[1]; s.value = 2; s.dispatchEvent(new Event('change'))"
        )
        assert browser.run("return document.querySelector('.tag.right').textContent") == "version 1"
        assert browser.run("return document.images.length") == 6
        assert browser.run("return [...document.images].every(i => i.complete && i.naturalWidth)")
        assert browser.messages() == []
