"""`mapsr upscale --texture`."""

import json
from pathlib import Path

import pytest

from mapsr_cli.imaging import read_provenance
from mapsr_cli.operators import make_kernel
from tests.cli.conftest import Mapsr
from tests.jpegs import jpeg, photograph
from tests.pictures import lr_of, save, scene


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(lr_of(scene(48, 64), make_kernel("bicubic", 4)), tmp_path / "photo.png")


def test_what_files_and_json_say_of_it(mapsr: Mapsr, photo: Path) -> None:
    out = photo.with_name("photo_x4.png")
    done = mapsr("upscale", photo, "--texture", 0.25, "--report", "--json")
    (told,) = done.json["results"]
    assert (told["texture"], told["model"]) == (0.25, "natural-x4-affmse")
    assert told["consistency"]["bit_exact"] == 1.0
    stored = read_provenance(out)
    assert stored is not None
    assert (stored.model, stored.texture) == ("natural-x4-affmse + natural-x4-affgan", 0.25)
    report = json.loads(photo.with_name("photo_x4.json").read_text("utf-8"))
    assert (report["settings"]["texture"], report["twin"]["name"]) == (0.25, "natural-x4-affgan")
    assert "This model invents texture" in " ".join(report["limits"])
    assert mapsr("verify", photo, out).code == 0
    assert "the same to the bit" in mapsr("redo", photo.with_name("photo_x4.json")).stdout


def test_of_a_jpeg_it_says_that_artefacts_stay(mapsr: Mapsr, tmp_path: Path) -> None:
    source = tmp_path / "photo.jpg"
    source.write_bytes(jpeg("4:2:0", photograph(24, 32, seed=3), 50, 1))
    words = ("upscale", source, "-o", tmp_path / "out.png", "--overwrite")
    told, plain = (mapsr(*words, *more) for more in (("--texture", 0.5), ()))
    assert "blocks and rings of the JPEG are enlarged" in told.stderr
    assert "enlarged" not in plain.stderr


def test_the_line_on_the_screen(mapsr: Mapsr, photo: Path) -> None:
    told = mapsr("upscale", photo, "--texture", 1, "-o", photo.with_name("a.png")).stdout
    assert "natural-x4-affmse at texture 1 ×4 bicubic, gives its original back bit for bit" in told
    assert "texture" not in mapsr("upscale", photo, "-o", photo.with_name("b.png")).stdout


@pytest.mark.parametrize(
    ("texture", "labels"),
    [
        (0.3, ["texture 0", "texture 0.3, the picture", "texture 1"]),
        (1.0, ["texture 0", "texture 0.5", "texture 1, the picture"]),
    ],
)
def test_a_page_shows_three_stops(mapsr: Mapsr, photo: Path, texture: float, labels: list[str]) -> None:
    assert mapsr("upscale", photo, "--texture", texture, "--compare").code == 0
    page = photo.with_name("photo_x4.html").read_text("utf-8")
    assert page.count("<img") == 4
    assert all(label in page for label in labels)
    assert f"<dt>Texture</dt><dd>{texture:g}</dd>" in page


@pytest.mark.parametrize(
    "options", [["-m", "natural-x4-affgan-z"], ["-m", "faces-x4-mse"], ["-m", "natural-x4-affgan-z", "--samples", 2]]
)
def test_other_models_are_refused_in_one_line(mapsr: Mapsr, photo: Path, options: list[object]) -> None:
    done = mapsr("upscale", photo, "--texture", 0.5, *options)
    assert done.code == 2
    assert f"{options[1]} has no twin that invents texture" in done.stderr
    assert "natural-x4-affmse" in done.stderr
    assert not photo.with_name("photo_x4.png").exists()


@pytest.mark.parametrize("options", [["--samples", 2], ["--seed", 1]])
def test_a_mixture_draws_no_samples(mapsr: Mapsr, photo: Path, options: list[object]) -> None:
    done = mapsr("upscale", photo, "--texture", 0.5, *options)
    assert done.code == 2
    assert "is deterministic" in done.stderr


def test_a_mixture_has_no_error_bars(mapsr: Mapsr, photo: Path) -> None:
    done = mapsr("upscale", photo, "--texture", 0.5, "--error-map", photo.with_name("map.png"))
    assert done.code == 2
    assert "error bars are calibrated for natural-x4-affmse alone" in done.stderr


@pytest.mark.parametrize("texture", [-0.5, 1.5, "much"])
def test_texture_is_a_share(mapsr: Mapsr, photo: Path, texture: object) -> None:
    assert mapsr("upscale", photo, "--texture", texture).code == 2
