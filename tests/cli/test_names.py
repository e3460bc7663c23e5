"""Names of inputs and outputs: nothing is left out, replaced or put elsewhere without a word."""

from pathlib import Path

import pytest
from PIL import Image

from tests.cli.conftest import Mapsr
from tests.pictures import save, scene


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for i, name in enumerate(("a.png", "bmw_x4.png", "猫 😀.png")):
        save(scene(9, 8, seed=i), tmp_path / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_name_that_ends_as_outputs_do(mapsr: Mapsr, folder: Path, tiny_model: Path) -> None:
    assert mapsr("upscale", ".", "-m", tiny_model).code == 0
    made = ["a_x4.png", "bmw_x4_x4.png", "猫 😀_x4.png"]
    assert written(folder) == sorted(["a.png", "bmw_x4.png", "猫 😀.png", *made])
    again = mapsr("upscale", ".", "-m", tiny_model, "--skip-existing")
    assert again.code == 0
    assert again.stderr == "3 of 3 files were there already\n"
    (folder / "a.png").unlink()
    alone = mapsr("upscale", ".", "-m", tiny_model, "--skip-existing")
    assert (
        alone.stderr.splitlines()[0]
        == "note: 1 of the pictures is an earlier output of mapsr and is left out: a_x4.png"
    )


def test_a_pattern_of_the_shell_twice(mapsr: Mapsr, folder: Path, tiny_model: Path) -> None:
    for _ in range(3):
        done = mapsr("upscale", *sorted(folder.glob("*.png")), "-m", tiny_model, "--skip-existing")
        assert done.code == 0
        assert len(written(folder)) == 6
    assert done.stderr == "3 of 3 files were there already\n"


def test_an_empty_suffix(mapsr: Mapsr, folder: Path, tiny_model: Path) -> None:
    assert mapsr("upscale", "a.png", "-o", "large/", "--suffix", "", "-m", tiny_model).code == 0
    assert written(folder / "large") == ["a.png"]
    for words in ((), ("--overwrite",), ("--skip-existing",)):
        refused = mapsr("upscale", "a.png", "--suffix", "", "-m", tiny_model, *words)
        assert refused.code == 2
        assert "would replace its own input" in refused.stderr
    assert mapsr("upscale", "a.png", "--suffix", "", "--format", "webp", "-m", tiny_model).code == 0


def test_two_pictures_of_one_name(mapsr: Mapsr, folder: Path, tiny_model: Path) -> None:
    Image.open("a.png").save("a.bmp")
    done = mapsr("upscale", ".", "-m", tiny_model)
    assert done.code == 0
    assert "note: a.png is written to a.png_x4.png, as a.bmp has the other name\n" in done.stderr
    assert {"a_x4.png", "a.png_x4.png"} < set(written(folder))


def test_a_second_picture_of_that_name_comes_later(mapsr: Mapsr, folder: Path, tiny_model: Path) -> None:
    """The one that is there stays the first one's, whatever the order."""
    assert mapsr("upscale", "a.png", "-m", tiny_model).code == 0
    before = (folder / "a_x4.png").read_bytes()
    save(scene(9, 8, seed=9), folder / "a.bmp")
    done = mapsr("upscale", ".", "-m", tiny_model, "--skip-existing", "--json")
    assert done.code == 0
    assert "a.bmp is written to a.bmp_x4.png, as a.png has the other name\n" in done.stderr
    assert "a.bmp_x4.png" in [made["output"] for made in done.json["results"]]
    assert (folder / "a_x4.png").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "says", "hint"),
    [
        ("a.png bmw_x4.png -o out.png", "-o out.png names one picture", "-o out.png/"),
        (". -o out.png", "-o out.png names one picture", "-o out.png/"),
        ("a.png -o x.jpg --format png", "say different formats", "leave out one"),
        ("a.png -o results_v1.0", "does not end in a format that can be written", "-o results_v1.0/"),
        ("a.png --format pgn", "'pgn' is no file format, and has no suffix of one", "did you mean '.png'?"),
    ],
)
def test_refused(mapsr: Mapsr, folder: Path, tiny_model: Path, words: str, says: str, hint: str) -> None:
    before = written(folder)
    done = mapsr("upscale", *words.split(), "-m", tiny_model)
    assert done.code == 2
    assert says in done.stderr.splitlines()[0]
    assert hint in done.stderr.splitlines()[1]
    assert written(folder) == before


def test_a_folder_with_a_dot(mapsr: Mapsr, folder: Path, tiny_model: Path) -> None:
    assert mapsr("upscale", "a.png", "-o", "results_v1.0/", "-m", tiny_model).code == 0
    assert written(folder / "results_v1.0") == ["a_x4.png"]


def test_a_folder_that_may_not_be_read(mapsr: Mapsr, folder: Path, tiny_model: Path, closed_folder: Path) -> None:
    done = mapsr("upscale", ".", "-r", "-m", tiny_model, "--json")
    assert done.code == 1
    assert done.stderr.startswith("error: cannot read the folder closed: Permission denied\n")
    assert [failure["input"] for failure in done.json["failed"]] == ["closed"]
    assert len(done.json["results"]) == 3
    assert "1 of 4 files failed: closed\n" in done.stderr
