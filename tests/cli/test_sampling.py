"""`mapsr upscale --samples`: every sample a file that holds, and what they show together."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mapsr_cli.imaging import Picture, read_picture, read_provenance, write_picture
from mapsr_cli.operators import make_kernel
from mapsr_cli.views.contact_sheet import draw_sheet
from mapsr_cli.views.deviation import Spread
from tests.cli.conftest import Mapsr
from tests.pictures import lr_of, save, scene

LR = lr_of(scene(48, 40, contrast=0.6), make_kernel("bicubic", 4))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(LR, tmp_path / "photo.png")


def written(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_every_sample_holds(mapsr: Mapsr, photo: Path, stochastic_model: Path) -> None:
    done = mapsr("upscale", photo, "-m", stochastic_model, "--samples", 3, "--seed", 5, "--json")
    assert done.code == 0
    samples = [f"photo_x4_{n}.png" for n in (1, 2, 3)]
    assert written(photo.parent) == ["photo.png", *samples, "photo_x4_samples.png", "photo_x4_spread.png"]
    assert [(r["sample"], r["seed"], r["consistency"]["bit_exact"]) for r in done.json["results"]] == [
        (1, 5, 1.0),
        (2, 5, 1.0),
        (3, 5, 1.0),
    ]
    spread = Spread()
    for number, name in enumerate(samples, 1):
        path = photo.with_name(name)
        assert mapsr("verify", photo, path).code == 0
        made = read_provenance(path)
        assert made is not None
        assert (made.seed, made.sample) == (5, number)
        spread.add(read_picture(path).levels.permute(1, 2, 0).numpy())
    (told,) = done.json["samples"]
    assert [Path(path).name for path in told["files"]] == samples
    assert (told["spread_levels"], told["largest_levels"]) == pytest.approx(spread.summary())
    assert told["spread_levels"] > 0.5
    for key, name in (("sheet", "photo_x4_samples.png"), ("map", "photo_x4_spread.png")):
        assert Path(told[key]).name == name
        with Image.open(told[key]) as image:
            assert image.mode == "RGB"


def test_one_is_the_first_of_many(mapsr: Mapsr, photo: Path, tmp_path: Path, stochastic_model: Path) -> None:
    words = ("upscale", photo, "-m", stochastic_model)
    assert mapsr(*words, "-o", tmp_path / "one.png").code == 0
    assert mapsr(*words, "-o", tmp_path / "many.png", "--samples", 2, "--tile", 5).code == 0
    one, *many = ((tmp_path / f"{name}.png").read_bytes() for name in ("one", "many_1", "many_2"))
    assert one == many[0] != many[1]
    assert mapsr(*words, "-o", tmp_path / "other.png", "--seed", 1).code == 0
    assert (tmp_path / "other.png").read_bytes() != one


@pytest.mark.parametrize("words", [("--samples", 3), ("--seed", 3)])
def test_a_deterministic_model_has_one_answer(mapsr: Mapsr, photo: Path, tiny_model: Path, words: tuple[str]) -> None:
    done = mapsr("upscale", photo, "-m", tiny_model, *words)
    assert done.code == 2
    first, hint = done.stderr.splitlines()
    assert first == "error: tiny is deterministic: it has one answer, and no noise to seed"
    assert "--noise-dim" in hint
    assert written(photo.parent) == ["photo.png"]


@pytest.mark.parametrize("words", [("--samples", 1), ("--samples", 100), ("--seed", -1, "--samples", 2)])
def test_wrong_numbers(mapsr: Mapsr, photo: Path, stochastic_model: Path, words: tuple[object]) -> None:
    assert mapsr("upscale", photo, "-m", stochastic_model, *words).code == 2


@pytest.mark.parametrize("words", [("--samples", 2), ("--compare",)])
def test_several_files_do_not_go_through_a_pipe(
    mapsr: Mapsr, photo: Path, stochastic_model: Path, words: tuple[object]
) -> None:
    done = mapsr("upscale", photo, "-o", "-", "-m", stochastic_model, *words)
    assert done.code == 2
    assert "not through a pipe" in done.stderr
    assert "-o FOLDER" in done.stderr


@pytest.mark.parametrize(("kind", "suffix"), [("alpha", "png"), ("grey", "webp"), ("deep", "tif"), ("colour", "jpg")])
def test_any_kind_of_picture(mapsr: Mapsr, tmp_path: Path, stochastic_model: Path, kind: str, suffix: str) -> None:
    levels = LR.byte()
    alpha = (levels[:1].int() * 2 - 180).clamp(0, 255).byte()
    deep = (levels.int() * 257).to(torch.uint16)
    kinds = {
        "alpha": Picture(levels, alpha=alpha),
        "grey": Picture(levels[:1]),
        "deep": Picture(deep, 65535),
        "colour": Picture(levels),
    }
    write_picture(tmp_path / "in.png", kinds[kind])
    done = mapsr(
        "upscale", tmp_path / "in.png", "-m", stochastic_model, "--samples", 2, "--format", suffix, "--compare"
    )
    assert done.code == 0
    for number in (1, 2):
        checked = mapsr("verify", tmp_path / "in.png", tmp_path / f"in_x4_{number}.{suffix}", "--kernel", "bicubic")
        assert checked.code == (1 if suffix == "jpg" else 0)
    assert {"in_x4.html", "in_x4_samples.png", "in_x4_spread.png"} <= set(written(tmp_path))
    assert (tmp_path / "in_x4.html").read_text("utf-8").count("<img") == 3


def test_a_folder(mapsr: Mapsr, tmp_path: Path, stochastic_model: Path) -> None:
    """A bad file is told once and does not end the batch; a second run finds its own files and leaves them."""
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"nothing")
    save(LR, folder / "b.png")
    save(LR, folder / "c.png")
    words = ("upscale", folder, "-m", stochastic_model, "--samples", 2)
    done = mapsr(*words, "--json")
    assert done.code == 1
    assert [Path(r["output"]).name for r in done.json["results"]] == [f"{n}_x4_{i}.png" for n in "bc" for i in (1, 2)]
    assert [Path(f["input"]).name for f in done.json["failed"]] == ["a.png"]
    assert "1 of 3 files failed" in done.stderr
    before = {name: (folder / name).read_bytes() for name in written(folder)}
    (folder / "a.png").unlink()
    (folder / "b_x4_2.png").unlink()
    (folder / "c_x4_spread.png").unlink()
    again = mapsr(*words, "--skip-existing", "--json")
    assert again.code == 0
    assert [Path(r["output"]).name for r in again.json["results"]] == ["b_x4_2.png"]
    assert again.stderr == "3 of 4 files were there already\n"
    assert {name: (folder / name).read_bytes() for name in written(folder)} == {
        name: data for name, data in before.items() if name != "a.png"
    }
    assert mapsr(*words).code == 1  # and nothing is replaced unasked
    assert mapsr(*words, "--skip-existing", "--json").json["samples"] == []


def test_a_pipe_is_read_once(mapsr: Mapsr, photo: Path, tmp_path: Path, stochastic_model: Path) -> None:
    words = ("upscale", "-", "-o", tmp_path / "out.png", "-m", stochastic_model, "--samples", 2)
    assert mapsr(*words, stdin=photo.read_bytes()).code == 0
    assert mapsr("verify", photo, tmp_path / "out_2.png").code == 0


def test_the_first_line_of_what_is_said(mapsr: Mapsr, photo: Path, stochastic_model: Path) -> None:
    done = mapsr("upscale", photo, "-m", stochastic_model, "--samples", 2)
    assert [line.split("  ")[0].rsplit("/", 1)[1] for line in done.stdout.splitlines()] == [
        "photo_x4_1.png",
        "photo_x4_2.png",
        "photo_x4_samples.png",
        "photo_x4_spread.png",
    ]
    assert done.stderr == ""


def test_the_sheet_shows_the_samples(mapsr: Mapsr, photo: Path, stochastic_model: Path) -> None:
    """48×40 pixels, enlarged eightfold: found again where their labels say they are."""
    assert mapsr("upscale", photo, "-m", stochastic_model, "--samples", 2).code == 0
    sheet = np.array(Image.open(photo.with_name("photo_x4_samples.png")))
    for number in (1, 2):
        sample = np.array(Image.open(photo.with_name(f"photo_x4_{number}.png"))).repeat(8, 0).repeat(8, 1)
        height, width = sample.shape[:2]
        places = [
            (y, x) for y in range(sheet.shape[0] - height + 1) for x in (24, 24 + width + 16, 24 + 2 * (width + 16))
        ]
        assert any(np.array_equal(sheet[y : y + height, x : x + width], sample) for y, x in places)


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 9 bytes")])
def test_too_little_memory_for_a_sheet_keeps_the_samples_and_goes_on(
    mapsr: Mapsr, photo: Path, stochastic_model: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    other, sheets = save(LR.flip(2), photo.with_name("other.png")), []

    def greedy(*args: object) -> Image.Image:
        sheets.append(args)
        if len(sheets) == 1:
            raise error
        return draw_sheet(*args)  # type: ignore[arg-type]

    monkeypatch.setattr("mapsr_cli.views.sample_sheets.draw_sheet", greedy)
    done = mapsr("upscale", photo, other, "-m", stochastic_model, "--samples", 2)
    assert done.code == 1
    assert "out of memory drawing the 2 samples side by side (they are written)" in done.stderr
    names = [name for name in written(photo.parent) if name.startswith(("photo_", "other_"))]
    extras = ["other_x4_samples.png", "other_x4_spread.png"]
    assert names == ["other_x4_1.png", "other_x4_2.png", *extras, "photo_x4_1.png", "photo_x4_2.png"]
