"""`mapsr upscale photo.jpg`: the result agrees with every coefficient of the file, and verify proves it."""

from pathlib import Path

import pytest

from mapsr_cli.imaging import read_picture, read_provenance, write_picture
from mapsr_cli.views.difference_map import COLOURS
from mapsr_cli.zoo import save_model
from tests.cli.conftest import Mapsr
from tests.jpegs import KINDS, jpeg, photograph
from tests.told import told_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    told, path = told_model(), tmp_path / "told.safetensors"
    save_model(path, told.network, told.card)
    return path


def photo(
    folder: Path, kind: str = "4:2:0", size: tuple[int, int] = (45, 61), quality: int = 80, turn: int = 1
) -> Path:
    path = folder / "photo.jpg"
    path.write_bytes(jpeg(kind, photograph(*size, seed=3), quality, turn))
    return path


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind(mapsr: Mapsr, tmp_path: Path, model: Path, kind: str) -> None:
    path, large = photo(tmp_path, kind), tmp_path / "photo_x4.png"
    made = mapsr("upscale", path, "-m", model, "--json").json["results"][0]
    assert made["evidence"] == "jpeg"
    assert made["size"] == [244, 180]
    kept = made["consistency"]
    assert (kept["inside"], kept["worst_steps"], kept["infeasible_blocks"]) == (1, 0, 0)
    assert kept["coefficients"] >= 40 * 56 + (kind not in ("grey", "4:1:1", "4:4:0")) * 2 * 24 * 16
    stored = read_provenance(large)
    assert stored is not None
    assert stored.evidence == "jpeg"
    found = mapsr("verify", path, large, "--json")
    assert (found.code, found.json["holds"], found.json["evidence"]) == (0, True, "jpeg")
    assert found.json["coefficients"] == kept["coefficients"]


@pytest.mark.parametrize("turn", range(2, 9))
def test_every_orientation(mapsr: Mapsr, tmp_path: Path, model: Path, turn: int) -> None:
    path, large = photo(tmp_path, "4:2:2", turn=turn), tmp_path / "photo_x2.png"
    made = mapsr("upscale", path, "-m", model, "--scale", "2", "--json").json["results"][0]
    assert made["size"] == ([90, 122] if turn >= 5 else [122, 90])
    assert (made["evidence"], made["consistency"]["inside"]) == ("jpeg", 1)
    assert mapsr("verify", path, large).code == 0
    upright = read_picture(path)
    assert read_picture(large).size == (2 * upright.size[0], 2 * upright.size[1])


def test_a_kernel_that_is_not_symmetric(mapsr: Mapsr, tmp_path: Path, model: Path) -> None:
    """Turned by EXIF, it says so and takes the levels; upright it is as any other."""
    path = photo(tmp_path, turn=6)
    turned = mapsr("upscale", path, "-m", model, "--kernel", "gaussian9", "--json")
    assert turned.json["results"][0]["evidence"] == "levels"
    assert "not symmetric" in turned.stderr
    assert mapsr("verify", path, tmp_path / "photo_x4.png", "--json").json["evidence"] == "levels"
    upright = photo(tmp_path)
    again = mapsr("upscale", upright, "-m", model, "--kernel", "gaussian9", "--json", "--overwrite")
    assert again.json["results"][0]["evidence"] == "jpeg"


def test_verify_finds_and_draws_what_was_changed(mapsr: Mapsr, tmp_path: Path, model: Path) -> None:
    path, large, drawn = photo(tmp_path), tmp_path / "photo_x4.png", tmp_path / "map.png"
    mapsr("upscale", path, "-m", model)
    picture, stored = read_picture(large), read_provenance(large)
    picture.levels[:, 60:80, 60:80] = 255 - picture.levels[:, 60:80, 60:80]
    write_picture(large, picture, provenance=stored)
    found = mapsr("verify", path, large, "--map", drawn)
    assert found.code == 1
    assert "JPEG coefficients off" in found.stdout
    assert COLOURS[4] in set(zip(*read_picture(drawn).levels.flatten(1).tolist(), strict=True))
    told = mapsr("verify", path, large, "--json").json
    assert told["inside"] < 1
    assert told["worst_steps"] > 1


def test_a_picture_that_says_nothing_is_checked_by_the_coefficients(mapsr: Mapsr, tmp_path: Path, model: Path) -> None:
    path, large = photo(tmp_path), tmp_path / "photo_x4.png"
    mapsr("upscale", path, "-m", model)
    write_picture(tmp_path / "plain.png", read_picture(large))
    assert mapsr("verify", path, tmp_path / "plain.png", "--json").json["evidence"] == "jpeg"
    levels = mapsr("verify", path, large, "--evidence", "levels", "--json")
    assert (levels.code, levels.json["evidence"]) == (1, "levels")


def test_evidence_levels_is_as_any_other_file(mapsr: Mapsr, tmp_path: Path, model: Path) -> None:
    path, large = photo(tmp_path), tmp_path / "photo_x4.png"
    made = mapsr("upscale", path, "-m", model, "--evidence", "levels", "--json").json["results"][0]
    assert (made["evidence"], made["consistency"]["bit_exact"]) == ("levels", 1)
    assert mapsr("verify", path, large, "--json").json["bit_exact"] == 1
    softer = mapsr("upscale", path, "-m", model, "--strength", "0.5", "--json", "--overwrite").json["results"][0]
    assert softer["evidence"] == "levels"


@pytest.mark.parametrize("beside", [("--strength", "0.5"), ("--noise", "3"), ("--consistency", "none")])
def test_what_does_not_go_with_coefficients(mapsr: Mapsr, tmp_path: Path, model: Path, beside: tuple[str, str]) -> None:
    refused = mapsr("upscale", photo(tmp_path), "-m", model, "--evidence", "jpeg", *beside)
    assert refused.code == 2
    assert "coefficients" in refused.stderr


def test_insisting_on_a_jpeg(mapsr: Mapsr, tmp_path: Path, model: Path) -> None:
    path = tmp_path / "a.png"
    write_picture(path, read_picture(photo(tmp_path)).levels)
    refused = mapsr("upscale", path, "-m", model, "--evidence", "jpeg")
    assert (refused.code, "no evidence of a JPEG" in refused.stderr) == (1, True)
    mapsr("upscale", path, "-m", model)
    assert mapsr("verify", path, tmp_path / "a_x4.png", "--evidence", "jpeg").code == 1


def test_what_has_no_cells(mapsr: Mapsr, tmp_path: Path, model: Path) -> None:
    """CMYK: its levels, said in one line. Smaller than a block: nothing is off."""
    path = tmp_path / "inks.jpg"
    photograph(40, 48).convert("CMYK").save(path)
    inks = mapsr("upscale", path, "-m", model, "--json")
    assert inks.json["results"][0]["evidence"] == "levels"
    assert "its JPEG coefficients cannot be read (CMYK is not supported)" in inks.stderr
    small = photo(tmp_path, size=(7, 5))
    tiny = mapsr("upscale", small, "-m", model, "--json").json["results"][0]
    assert (tiny["evidence"], tiny["consistency"]["coefficients"], tiny["consistency"]["inside"]) == ("jpeg", 0, 1)
    assert mapsr("verify", small, tmp_path / "photo_x4.png").code == 0


def test_lossy_output_and_a_page(mapsr: Mapsr, tmp_path: Path, model: Path) -> None:
    path = photo(tmp_path)
    lossy = mapsr("upscale", path, "-m", model, "-o", tmp_path / "large.jpg", "--json").json["results"][0]
    assert 0.3 < lossy["consistency"]["inside"] < 1
    mapsr("upscale", path, "-m", model, "--compare")
    assert "agrees with every coefficient of its JPEG" in (tmp_path / "photo_x4.html").read_text()


def test_project_moves_a_finished_picture_into_the_cells(mapsr: Mapsr, tmp_path: Path) -> None:
    path, theirs, fixed = photo(tmp_path, turn=6), tmp_path / "theirs.png", tmp_path / "fixed.png"
    width, height = read_picture(path).size
    photograph(61, 45).resize((3 * width, 3 * height)).save(theirs)
    made = mapsr("project", path, theirs, "-o", fixed, "--json").json["results"][0]
    assert made["evidence"] == "jpeg"
    assert made["consistency"]["inside"] >= 0.999
    verified = mapsr("verify", path, fixed, "--json")
    assert verified.json["evidence"] == "jpeg"
    assert verified.json["inside"] == made["consistency"]["inside"]
    again = mapsr("project", path, fixed, "-o", tmp_path / "again.png", "--json").json["results"][0]
    assert again["changed_psnr"] is None or again["changed_psnr"] > 60
