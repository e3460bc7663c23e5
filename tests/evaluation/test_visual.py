"""SSIMULACRA2 and FLIP as their packages compute them: order and ends."""

import sys

import pytest
import torch
from torch.nn.functional import avg_pool2d

from mapsr_cli.errors import MissingExtraError, install_command
from mapsr_cli.evaluation.visual import visual_measures
from tests.pictures import scene

TRUTH = scene(48, 64) / 255


def test_equal_pictures_and_worse_ones() -> None:
    measures = visual_measures()
    blurred = [avg_pool2d(TRUTH[None], size, 1, size // 2)[0] for size in (3, 7)]
    ssimulacra2, flip = ([measures[key](y, TRUTH) for y in (TRUTH, *blurred)] for key in ("ssimulacra2", "flip"))
    assert ssimulacra2[0] == pytest.approx(100)
    assert flip[0] == 0
    assert sorted(ssimulacra2, key=lambda value: -(value or 0)) == ssimulacra2
    assert sorted(flip, key=lambda value: value or 0) == flip
    assert ssimulacra2[1] < 90  # type: ignore[operator]
    assert (flip[2] or 0) > 0.01


def test_small_pictures_have_no_ssimulacra2() -> None:
    measures = visual_measures()
    assert measures["ssimulacra2"](TRUTH[:, :7], TRUTH[:, :7]) is None
    assert measures["flip"](TRUTH[:, :7], TRUTH[:, :7]) == 0
    assert measures["grid"](TRUTH[:, :7], TRUTH[:, :7]) is None


@pytest.mark.parametrize(("package", "what"), [("ssimulacra2", "SSIMULACRA2"), ("flip_evaluator", "FLIP")])
def test_without_a_package_the_extra_is_named(package: str, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=f"for {what} are") as caught:
        visual_measures()
    assert caught.value.hint == install_command("eval")


def test_inference_tensors_are_taken() -> None:
    with torch.inference_mode():
        y = TRUTH * 1
        assert visual_measures()["ssimulacra2"](y, TRUTH) == pytest.approx(100)
