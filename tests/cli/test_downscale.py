from pathlib import Path

import pytest
import torch

from mapsr_cli.imaging import read_picture
from mapsr_cli.operators import make_kernel
from tests.cli.conftest import Mapsr
from tests.operators.test_resized_axis import imresize_bicubic
from tests.pictures import lr_of, save, scene


@pytest.mark.parametrize(("kernel", "scale"), [("bicubic", 4), ("gaussian9", 3), ("box", 8), ("lanczos3", 2)])
@pytest.mark.parametrize("size", [(64, 48), (61, 1)])
def test_is_a(mapsr: Mapsr, tmp_path: Path, kernel: str, scale: int, size: tuple[int, int]) -> None:
    hr = scene(*size)
    source, target = save(hr, tmp_path / "hr.png"), tmp_path / "lr.png"
    done = mapsr("downscale", source, "-o", target, "--kernel", kernel, "--scale", scale, "--json")
    assert done.code == 0
    expected = lr_of(hr, make_kernel(kernel, scale))
    assert torch.equal(read_picture(target).levels, expected.byte())
    assert done.json["size"] == [expected.shape[2], expected.shape[1]]


def test_keeps_what_exists(mapsr: Mapsr, tmp_path: Path) -> None:
    source = save(scene(8, 8), tmp_path / "hr.png")
    assert mapsr("downscale", source, "-o", source).code == 1
    before = source.read_bytes()
    refused = mapsr("downscale", source, "-o", source, "--overwrite")
    assert (refused.code, source.read_bytes()) == (2, before)
    assert "its own input" in refused.stderr
    assert mapsr("downscale", source, "-o", tmp_path / "lr.gif").code == 2
    assert mapsr("downscale", tmp_path / "none.png", "-o", tmp_path / "lr.png").code == 1


@pytest.mark.parametrize("words", [(), ("--overwrite",)])
def test_keeps_what_mapsr_made(mapsr: Mapsr, tmp_path: Path, words: tuple[str, ...]) -> None:
    """A large picture that says it is an output is no less an input here."""
    large = tmp_path / "large.png"
    assert mapsr("upscale", save(scene(4, 4), tmp_path / "lr.png"), "-o", large).code == 0
    before = large.read_bytes()
    refused = mapsr("downscale", large, "-o", large, *words, "--json")
    assert (refused.code, large.read_bytes()) == (2 if words else 1, before)
    assert mapsr("downscale", large, "-o", tmp_path / "small.png").code == 0


@pytest.mark.parametrize("output", ["small/", "small", "made"])
def test_into_a_folder(mapsr: Mapsr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("made").mkdir()
    source = save(scene(16, 8), Path("hr.png"))
    done = mapsr("downscale", source, "-o", output, "--json")
    assert (done.code, Path(done.json["output"])) == (0, Path(output) / "hr.png")
    assert read_picture(Path(output) / "hr.png").size == (2, 4)
    assert mapsr("downscale", source, "-o", output).code == 1
    before = source.read_bytes()
    refused = mapsr("downscale", source, "-o", "./", "--overwrite")
    assert (refused.code, source.read_bytes()) == (2, before)


@pytest.mark.parametrize(
    ("words", "size"),
    [(("--width", 20), (20, 27)), (("--scale", 2.5), (19, 26)), (("--like", "like.png"), (15, 17))],
)
def test_to_any_size(
    mapsr: Mapsr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[object, ...], size: tuple[int, int]
) -> None:
    monkeypatch.chdir(tmp_path)
    source, _ = save(scene(64, 48), Path("hr.png")), save(scene(17, 15), Path("like.png"))
    done = mapsr("downscale", source, "-o", "lr.png", *words, "--json")
    assert tuple(done.json["size"]) == size
    height, width = size[::-1]
    rows, cols = (torch.from_numpy(imresize_bicubic(*pair)) for pair in ((64, height), (48, width)))
    expected = (rows @ scene(64, 48).double() @ cols.T).clamp(0, 255).round()
    assert torch.equal(read_picture(Path("lr.png")).levels.double(), expected)


def test_sizes_that_make_no_sense(mapsr: Mapsr, tmp_path: Path) -> None:
    source = save(scene(8, 8), tmp_path / "hr.png")
    for words, text in (
        (("--width", 9), "no smaller"),
        (("--scale", 0.5), "above 1"),
        (("--scale", 2, "--width", 4), "exclude each other"),
    ):
        refused = mapsr("downscale", source, "-o", tmp_path / "lr.png", *words)
        assert (refused.code, text in refused.stderr) == (2, True)


def test_several_at_once(mapsr: Mapsr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("large").mkdir()
    one, two = save(scene(16, 8), Path("large/one.png")), save(scene(8, 12), Path("large/two.png"))
    done = mapsr("downscale", one, two, "-o", "small", "--json")
    assert (done.code, [r["size"] for r in done.json["results"]]) == (0, [[2, 4], [3, 2]])
    assert mapsr("upscale", Path("small/one.png"), "-o", "large/three.png").code == 0
    Path("large/bad.png").write_bytes(b"no picture")
    done = mapsr("downscale", Path("large"), "-o", "again", "--scale", 2, "--json")
    assert (done.code, len(done.json["results"]), len(done.json["failed"])) == (1, 3, 1)
    assert "bad.png" in done.json["failed"][0]["input"]
    assert sorted(p.name for p in Path("again").iterdir()) == ["one.png", "three.png", "two.png"]
    assert "1 of 4 files failed" in done.stderr
    assert mapsr("downscale", Path("large"), "-o", "one.png").code == 2
