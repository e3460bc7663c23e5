"""`mapsr upscale --backbone`, with a stand-in for spandrel."""

from pathlib import Path

import pytest

from mapsr_cli.imaging import read_picture, read_provenance
from mapsr_cli.operators import make_kernel
from mapsr_cli.reports.document import read_report
from tests.cli.conftest import Mapsr
from tests.inference import strangers
from tests.pictures import lr_of, save, scene

LR = lr_of(scene(96, 80), make_kernel("bicubic", 4))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(LR, tmp_path / "photo.png")


@pytest.fixture
def trunk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    strangers.install(monkeypatch)
    return strangers.save_weights(tmp_path / "4x_nearest.pth.safetensors")


def test_it_takes_the_place_of_a_model(mapsr: Mapsr, photo: Path, trunk: Path) -> None:
    done = mapsr("upscale", photo, "--backbone", trunk, "--json")
    (result,) = done.json["results"]
    assert done.code == 0
    keys = {"input", "output", "model", "scale", "kernel", "evidence", "size", "seconds", "consistency"}
    assert set(result) == keys
    assert (result["model"], result["scale"], result["kernel"]) == (trunk.name, 4, "bicubic")
    assert result["consistency"]["bit_exact"] == 1.0
    target = photo.with_name("photo_x4.png")
    assert mapsr("verify", photo, target).code == 0
    made = read_provenance(target)
    assert made is not None
    assert made.model == f"{trunk.name} sha256:{strangers.sha256(trunk)}"


def test_its_picture_can_be_made_again(mapsr: Mapsr, photo: Path, trunk: Path) -> None:
    assert mapsr("upscale", photo, "--backbone", trunk, "--report").code == 0
    report = photo.with_name("photo_x4.json")
    stated = read_report(report)
    assert (stated.model.foreign, stated.model.sha256) == (True, strangers.sha256(trunk))
    assert stated.result.label == "compositeWithTrainedAlgorithmicMedia"
    assert any("not known how this network was trained" in limit for limit in stated.limits)
    assert mapsr("redo", report).code == 0  # the network's file lies beside it
    moved = trunk.rename(trunk.with_name("moved.safetensors"))
    assert "is not on this machine" in mapsr("redo", report).stderr
    assert mapsr("redo", report, "--model", moved).code == 0


@pytest.mark.parametrize("format_", ["png", "tif", "webp"])
def test_names_of_any_kind_are_kept(
    mapsr: Mapsr, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format_: str
) -> None:
    strangers.install(monkeypatch)
    trunk = strangers.save_weights(tmp_path / "×4 網絡\n.safetensors")
    target = tmp_path / f"out.{format_}"
    assert mapsr("upscale", photo, "--backbone", trunk, "-o", target).code == 0
    made = read_provenance(target)
    assert made is not None
    assert made.model == f"×4 網絡\\n.safetensors sha256:{strangers.sha256(trunk)}"


@pytest.mark.parametrize("kernel", ["bicubic", "lanczos3", "gaussian9"])
def test_kernels(mapsr: Mapsr, photo: Path, trunk: Path, kernel: str) -> None:
    save(lr_of(scene(96, 80), make_kernel(kernel, 4)), photo)
    assert mapsr("upscale", photo, "--backbone", trunk, "--kernel", kernel).code == 0
    assert mapsr("verify", photo, photo.with_name("photo_x4.png"), "--kernel", kernel).code == 0


def test_the_trunk_alone_and_softened(mapsr: Mapsr, photo: Path, trunk: Path) -> None:
    levels = {}
    for words in (("--consistency", "none"), ("--consistency", "bits"), ("--strength", "0.5")):
        assert mapsr("upscale", photo, "--backbone", trunk, *words, "--overwrite").code == 0
        levels[words] = read_picture(photo.with_name("photo_x4.png")).levels.float()
    raw, projected, softened = levels.values()
    assert mapsr("verify", photo, photo.with_name("photo_x4.png")).code == 1
    assert 0 < (softened - projected).abs().mean() < (raw - projected).abs().mean()


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["-m", "natural-x4-affmse"], 2, "exclude each other"),
        (["--precision", "fp16"], 2, "does not compute in fp16"),
        (["--kernel", "cubic"], 2, "unknown kernel"),
        (["--sigma", "2"], 2, "sigma"),
    ],
)
def test_wrong_usage(mapsr: Mapsr, photo: Path, trunk: Path, words: list[str], code: int, says: str) -> None:
    done = mapsr("upscale", photo, "--backbone", trunk, *words)
    assert done.code == code
    assert says in done.stderr


def test_weights_of_others_are_told_where_to_go(mapsr: Mapsr, photo: Path, trunk: Path) -> None:
    done = mapsr("upscale", photo, "-m", trunk)
    assert done.code == 1
    assert "--backbone" in done.stderr
    done = mapsr("upscale", photo, "-m", strangers.save_weights(trunk.with_name("4x.pth")))
    assert done.code == 1
    assert "--backbone" in done.stderr
