import base64
import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from mapsr_cli.evaluation.candidates import make_candidates
from mapsr_cli.evaluation.evaluate import Scorer, evaluate
from mapsr_cli.evaluation.protocol import PROTOCOLS, find_sets, make_pair
from mapsr_cli.evaluation.report import CROP, Gallery, report, spread
from mapsr_cli.operators import make_kernel
from tests.pictures import save, scene


def decoded(html: str) -> dict[str, Tensor]:
    """Label → levels of every picture in a fragment."""
    found = {}
    for label, data in re.findall(r'alt="([^"]*)".*?src="data:image/\w+;base64,([^"]*)"', html):
        with Image.open(io.BytesIO(base64.b64decode(data))) as image:
            found[label] = torch.from_numpy(np.array(image)).permute(2, 0, 1).float()
    return found


@pytest.mark.parametrize(("sizes", "shown"), [((5,), (5,)), ((100, 5), (12, 5)), ((30, 30, 30, 30), (6, 6, 6, 6))])
def test_pictures_are_spread_over_sets(sizes: tuple[int, ...], shown: tuple[int, ...]) -> None:
    sets = {f"set{i}": [Path(f"{n:03d}.png") for n in range(size)] for i, size in enumerate(sizes)}
    chosen = spread(sets)
    assert tuple(map(len, chosen.values())) == shown
    assert all("000" in names for names in chosen.values())


@pytest.mark.slow
def test_the_middle_of_a_large_image(tmp_path: Path) -> None:
    height, width = CROP + 12, CROP - 4  # an odd number of LR rows is cut
    path = save(scene(height, width, contrast=0.1), tmp_path / "a.png")
    kernel, candidates = make_candidates(["pinv", f"dir:{tmp_path}"])
    gallery = Gallery({"set": {"a"}})
    evaluate(candidates, {"set": [path]}, kernel, Scorer(PROTOCOLS["y"]), [gallery])
    (slider,) = gallery.sliders
    pair, pictures = make_pair(path, make_kernel("bicubic", 4)), decoded(slider)
    labels = list(pictures)
    assert (labels[0], labels[2], labels[3]) == ("LR, nearest", f"dir:{tmp_path}, ∞ dB", "HR")
    assert labels[1].startswith("pinv, ")
    assert torch.equal(pictures["HR"], pair.hr[:, 4 : 4 + CROP])
    assert torch.equal(pictures["LR, nearest"], pair.lr[:, 1 : 1 + CROP // 4])
    assert torch.equal(pictures[f"dir:{tmp_path}, ∞ dB"], pictures["HR"])
    assert f"the middle of {width}×{height}" in slider
    assert 'data-left="1" data-right="2"' in slider


def test_only_chosen_images_are_kept(tmp_path: Path) -> None:
    for name in "ab":
        save(scene(24, 24), tmp_path / f"{name}.png")
    kernel, candidates = make_candidates(["bicubic"])
    gallery = Gallery({tmp_path.name: {"b"}})
    found = evaluate(candidates, find_sets(tmp_path), kernel, Scorer(PROTOCOLS["y"]), [gallery])
    (slider,) = gallery.sliders
    assert f"{tmp_path.name}/b" in slider
    assert 'data-left="1" data-right="2"' in slider  # the one model beside HR
    html = report(found, tmp_path, gallery.sliders)
    assert "1 of 2 images" in html
    assert "Not evaluated" not in html


def test_what_failed_is_in_the_report(tmp_path: Path) -> None:
    save(scene(24, 24), tmp_path / "a.png")
    (tmp_path / "<b>.png").write_bytes(b"nothing")
    kernel, candidates = make_candidates(["bicubic"])
    html = report(evaluate(candidates, find_sets(tmp_path), kernel, Scorer(PROTOCOLS["y"])), tmp_path, [])
    assert "Not evaluated" in html
    assert "/&lt;b&gt;: " in html
    assert "<b>" not in html
    assert "protocol y: BT.601 luma" in html
    assert "Pictures" not in html
