"""The figures that the field publishes, from the field's test sets, where they are at hand."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mapsr_cli.errors import ImageError
from mapsr_cli.evaluation.candidates import interpolate, minimum_norm
from mapsr_cli.evaluation.metrics import luma, psnr
from mapsr_cli.evaluation.protocol import PROTOCOLS, find_sets, make_pair, pairs
from mapsr_cli.operators import make_kernel, to_levels
from mapsr_cli.operators.axis import dense_a
from tests.pictures import save, scene

EVAL = Path(__file__).parents[3] / "shared" / "data" / "eval"
BICUBIC = make_kernel("bicubic", 4)
at_hand = pytest.mark.skipif(not EVAL.is_dir(), reason="the test sets lie beside a developer's checkout only")


def mean_psnr_y(folder: Path, enlarge: Callable[[Tensor], Tensor]) -> float:
    """As `evaluate` measures, but of estimates that are rounded here."""
    made = [(to_levels(enlarge(pair.lr), 255) / 255, pair.hr / 255) for pair in pairs(folder, BICUBIC)]
    return sum(PROTOCOLS["y"].psnr(y, hr, 4) for y, hr in made) / len(made)


@at_hand
@pytest.mark.parametrize(
    ("folder", "published"),
    [("Set5", 28.43), ("Set14", 26.09), pytest.param("BSD100", 25.96, marks=pytest.mark.slow)],
)
def test_bicubic_figures_are_the_published_ones(folder: str, published: float) -> None:
    assert mean_psnr_y(EVAL / folder, lambda lr: interpolate(lr, BICUBIC)) == pytest.approx(published, abs=0.02)


@at_hand
def test_the_pseudoinverse_alone() -> None:
    assert mean_psnr_y(EVAL / "Set5", lambda lr: minimum_norm(lr, BICUBIC)) == pytest.approx(29.24, abs=0.02)


def test_pairs_are_cropped_to_the_scale_and_rounded(tmp_path: Path) -> None:
    save(scene(43, 30), tmp_path / "a.png")
    (pair,) = pairs(tmp_path, BICUBIC)
    assert (pair.name, pair.scale) == ("a", 4)
    assert torch.equal(pair.hr, scene(43, 30)[:, :40, :28])
    assert pair.lr.shape == (3, 10, 7)
    assert torch.equal(pair.lr, pair.lr.round())
    rows, cols = (torch.from_numpy(dense_a(BICUBIC, n)).float() for n in (40, 28))
    assert ((rows @ pair.hr @ cols.T).clamp(0, 255) - pair.lr).abs().max() < 0.51


def test_grey_is_three_equal_channels(tmp_path: Path) -> None:
    pair = make_pair(save(scene(20, 20)[:1], tmp_path / "a.png"), BICUBIC)
    assert pair.hr.shape == (3, 20, 20)
    assert torch.equal(pair.lr[0], pair.lr[2])


def test_what_protocols_compare() -> None:
    a, b = scene(32, 40, 0) / 255, scene(32, 40, 1) / 255
    y, rgb = (PROTOCOLS[name].compare(a, b, 4) for name in ("y", "rgb"))
    assert y[0] == PROTOCOLS["y"].psnr(a, b, 4)
    assert y[0] == pytest.approx(psnr(luma(a)[4:-4, 4:-4], luma(b)[4:-4, 4:-4]))
    assert rgb[0] == pytest.approx(psnr(a, b))
    b[:, 0] = 1 - a[:, 0]  # a border that only the whole image sees
    assert PROTOCOLS["y"].compare(a, b, 4) == y
    assert PROTOCOLS["rgb"].compare(a, b, 4) != rgb


def test_protocols_say_what_they_are() -> None:
    assert PROTOCOLS["y"].describe(BICUBIC) == (
        "protocol y: BT.601 luma, 4 pixels shaved; LR = A(HR) in 8 bits, A = bicubic (×4, 16 taps per axis, phase 1.5)"
    )
    assert "RGB, whole image" in PROTOCOLS["rgb"].describe(BICUBIC)


def test_a_folder_of_images_is_one_set(tmp_path: Path) -> None:
    save(scene(8, 8), tmp_path / "b.png")
    save(scene(8, 8), tmp_path / "a.png")
    (tmp_path / "LR").mkdir()
    save(scene(8, 8), tmp_path / "LR" / "a.png")
    (tmp_path / ".hidden.png").write_bytes(b"")
    assert find_sets(tmp_path) == {tmp_path.name: [tmp_path / "a.png", tmp_path / "b.png"]}


def test_a_folder_of_folders_is_several(tmp_path: Path) -> None:
    for name in ("two", "one", "none"):
        (tmp_path / name).mkdir()
    save(scene(8, 8), tmp_path / "two" / "a.png")
    save(scene(8, 8), tmp_path / "one" / "a.tif")
    assert list(find_sets(tmp_path)) == ["one", "two"]


def test_folders_that_cannot_be_evaluated(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="not a folder"):
        find_sets(tmp_path / "nowhere")
    with pytest.raises(ImageError, match="no images"):
        find_sets(tmp_path)
    save(scene(8, 8), tmp_path / "a.png")
    save(scene(8, 8), tmp_path / "a.tif")
    with pytest.raises(ImageError, match="would both be 'a'"):
        find_sets(tmp_path)


def test_folders_that_may_not_be_entered(tmp_path: Path, locked: Path) -> None:
    save(scene(16, 16), locked / "a.png")
    for folder in (locked, locked / "inside", tmp_path):
        with pytest.raises(ImageError, match=r"locked(/inside)? cannot be read: Permission denied"):
            find_sets(folder)
