"""Exceptions that no code foresaw: one line each, and the rest of the batch is made."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mapsr_cli.cli import batch
from tests.cli.conftest import Mapsr
from tests.pictures import save, scene

KINDS = (RuntimeError, OverflowError, ArithmeticError, KeyError, AssertionError, RecursionError, ValueError)


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for i, name in enumerate(("a.png", "b.png", "c.png")):
        save(scene(9, 8 + i, seed=i), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("step", ["load_file", "upscale_frames", "encode_file"])
def test_of_one_job(
    mapsr: Mapsr, photos: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception], step: str
) -> None:
    def fail(*given: Any) -> Any:
        name = given[0] if step == "load_file" else given[0].pictures[0].size
        if name in (Path("b.png"), (9, 9)):
            raise kind("odd\nthing")
        return original(*given)

    original = getattr(batch, step)
    monkeypatch.setattr(batch, step, fail)
    words = ("upscale", "a.png", "b.png", "c.png", "-m", tiny_model)
    done = mapsr(*words, "--json")
    assert done.code == 1
    assert [made["output"] for made in done.json["results"]] == ["a_x4.png", "c_x4.png"]
    assert [failure["input"] for failure in done.json["failed"]] == ["b.png"]
    lines = done.stderr.splitlines()
    assert lines[0].startswith(f"error: unexpected {kind.__name__}: ")
    assert "odd" in lines[0]
    assert "--debug shows the traceback" in lines[1]
    with pytest.raises(Exception, match="odd") as caught:
        mapsr(*words, "--debug", "--overwrite")
    assert isinstance(caught.value.__cause__, kind)


@pytest.mark.parametrize(
    "words",
    [
        "verify a.png b.png --kernel box",
        "downscale a.png -o small.png",
        "fit-pinv --method exact --taps 3",
        "models list",
        "evaluate -m bicubic --data .",
    ],
)
def test_of_a_command(mapsr: Mapsr, photos: Path, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*given: Any, **named: Any) -> Any:
        raise ArithmeticError("odd")

    for name in (
        "mapsr_cli.inference.verification.verify_files",
        "mapsr_cli.inference.comparison.downscale_picture",
        "mapsr_cli.operators.solve_pinv",
        "mapsr_cli.zoo.catalogue.offers",
        "mapsr_cli.evaluation.protocol.find_sets",
    ):
        monkeypatch.setattr(name, fail)
    done = mapsr(*words.split())
    assert (done.code, done.stdout) == (1, "")
    assert done.stderr.splitlines()[0] == "error: unexpected ArithmeticError: odd"
    with pytest.raises(ArithmeticError):
        mapsr(*words.split(), "--debug")


def test_of_a_kernel(mapsr: Mapsr, photos: Path, tiny_model: Path) -> None:
    np.save(photos / "huge.npy", np.full((5, 5), 1e308))
    done = mapsr("upscale", "a.png", "-m", tiny_model, "--kernel", "file:huge.npy")
    assert done.code in (1, 2)
    assert done.stderr.startswith("error: ")
    assert len(done.stderr.splitlines()) <= 2
    assert not (photos / "a_x4.png").exists()
