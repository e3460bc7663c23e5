"""The slider as text; test_page.py uses it."""

import base64
import io
import re

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from mapsr_cli.errors import UsageError
from mapsr_cli.views.slider import View, data_uri, page, slider
from tests.pictures import scene


def flat(colour: tuple[int, int, int], size: int = 100) -> Tensor:
    return torch.tensor(colour, dtype=torch.float32)[:, None, None].expand(3, size, size)


RED, BLUE, GREY = (200, 0, 0), (0, 0, 200), (10, 10, 10)
VIEWS = [View("red", flat(RED)), View("blue", flat(BLUE)), View("grey", flat(GREY, 25))]


def test_pictures_are_embedded_without_loss() -> None:
    levels = scene(20, 30)
    kind, data = data_uri(levels).split(";base64,")
    assert kind == "data:image/webp"
    with Image.open(io.BytesIO(base64.b64decode(data))) as image:
        assert torch.equal(torch.from_numpy(np.array(image)).permute(2, 0, 1), levels.byte())


def test_a_picture_too_large_for_webp_is_a_png() -> None:
    assert data_uri(torch.zeros(1, 1, 16384)).startswith("data:image/png")


def test_nothing_comes_from_outside() -> None:
    html = page("a <title>", slider("b & c", VIEWS, "note"))
    sources = re.findall(r'\b(?:src|href)="([^"]*)"', html)
    assert len(sources) == 4
    assert all(source.startswith("data:") for source in sources)
    assert "default-src 'none'" in html
    assert "<title>a &lt;title&gt;</title>" in html
    assert "b &amp; c" in html
    assert "{{" not in html


def test_smaller_views_are_shown_enlarged() -> None:
    html = slider("a", VIEWS)
    assert 'data-width="100" data-height="100" data-left="0" data-right="2"' in html
    assert re.findall(r'<img class="nearest" alt="(\w+)"', html) == ["grey"]


def test_one_picture_is_no_comparison() -> None:
    with pytest.raises(UsageError, match="two versions"):
        slider("a", VIEWS[:1])
