"""`mapsr upscale --noise`, and what verify makes of it."""

from pathlib import Path

import pytest
import torch

from mapsr_cli.imaging import read_picture, read_provenance, write_picture
from mapsr_cli.operators import make_kernel, to_levels
from mapsr_cli.zoo import DEFAULT_MODEL, save_model
from tests.cli.conftest import Mapsr
from tests.jpegs import jpeg, photograph
from tests.pictures import lr_of, save, scene
from tests.told import told_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    told, path = told_model(), tmp_path / "told.safetensors"
    save_model(path, told.network, told.card)
    return path


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    x = lr_of(scene(96, 128), make_kernel("bicubic", 4))
    noise = 5.0 * torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return save(to_levels(x + noise, 255), tmp_path / "photo.png")


def test_the_result_is_within_three_sigma_and_says_so(mapsr: Mapsr, photo: Path, model: Path) -> None:
    large = photo.with_name("photo_x4.png")
    told = mapsr("upscale", photo, "-m", model, "--noise", "5", "--json").json["results"][0]
    assert (told["evidence"], told["noise"]) == ("noise", 5)
    assert 0 < told["consistency"]["bit_exact"] < 1
    stored = read_provenance(large)
    assert stored is not None
    assert stored.noise == 5
    found = mapsr("verify", photo, large, "--json").json
    assert (found["evidence"], found["noise"], found["holds"]) == ("noise", 5, True)
    assert 0 < found["worst_levels"] <= 15
    assert "within ±3 σ of every sample" in mapsr("verify", photo, large).stdout
    assert (
        "within ±3 σ of every sample of its original"
        in mapsr("upscale", photo, "-m", model, "--noise", "5", "--overwrite").stdout
    )


def test_verify_finds_what_is_beyond(mapsr: Mapsr, photo: Path, model: Path) -> None:
    large = photo.with_name("photo_x4.png")
    mapsr("upscale", photo, "-m", model, "--noise", "2")
    picture, stored = read_picture(large), read_provenance(large)
    picture.levels[:, 40:60, 40:60] = 255 - picture.levels[:, 40:60, 40:60]
    write_picture(large, picture, provenance=stored)
    found = mapsr("verify", photo, large, "--json")
    assert (found.code, found.json["holds"], found.json["evidence"]) == (1, False, "noise")


def test_auto_says_what_it_found(mapsr: Mapsr, photo: Path, model: Path) -> None:
    told = mapsr("upscale", photo, "-m", model, "--noise", "auto", "--json").json["results"][0]
    assert 0.5 <= told["noise"] <= 50


@pytest.mark.parametrize(("given", "message"), [("loud", "--noise takes auto or a number"), ("-1", "0.5 … 50")])
def test_what_is_no_sigma(mapsr: Mapsr, photo: Path, model: Path, given: str, message: str) -> None:
    done = mapsr("upscale", photo, "-m", model, "--noise", given)
    assert done.code == 2
    assert message in done.stderr


def test_each_original_has_the_bundled_model_for_it(mapsr: Mapsr, tmp_path: Path, photo: Path) -> None:
    """A JPEG and what is taken to be noisy have one that is told so; `-m` names one for all."""
    camera = tmp_path / "camera.jpg"
    camera.write_bytes(jpeg("4:2:0", photograph(16, 24)))
    models = [one["model"] for one in mapsr("upscale", camera, photo, "-o", tmp_path / "a", "--json").json["results"]]
    assert sorted(models) == ["natural-x4-affmse", "natural-x4-affmse-jpeg"]
    (noisy,) = mapsr("upscale", photo, "--noise", "5", "-o", tmp_path / "b.png", "--json").json["results"]
    assert noisy["model"] == "natural-x4-affmse-jpeg"
    (named,) = mapsr("upscale", camera, "-m", DEFAULT_MODEL, "-o", tmp_path / "c.png", "--json").json["results"]
    assert (named["model"], named["evidence"]) == ("natural-x4-affmse", "jpeg")


def test_noise_and_texture(mapsr: Mapsr, tmp_path: Path, photo: Path) -> None:
    """The hint named a model that has no texture."""
    refused = mapsr("upscale", photo, "--noise", "5", "--texture", "0.5", "-o", tmp_path / "a.png")
    assert refused.code == 2
    assert "leave out texture" in refused.stderr
