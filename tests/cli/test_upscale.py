import base64
import os
import re
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from mapsr_cli.errors import MapsrError
from mapsr_cli.imaging import read_picture, read_provenance
from mapsr_cli.networks import MlpGenerator, MlpGeneratorConfig, PaperGenerator, PaperGeneratorConfig
from mapsr_cli.operators import make_kernel
from mapsr_cli.zoo import Card, bundled_models, describe_kernel, save_model
from tests.bits import same_levels
from tests.cli.conftest import Mapsr
from tests.pictures import lr_of, save, scene

LR = lr_of(scene(96, 80), make_kernel("bicubic", 4))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    return save(LR, tmp_path / "photo.png")


def test_the_main_job(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    done = mapsr("upscale", photo, "-m", tiny_model)
    target = photo.with_name("photo_x4.png")
    assert done.code == 0
    assert f"{target}  80×96" in done.stdout
    assert "bit for bit" in done.stdout
    assert done.stderr == ""
    assert mapsr("verify", photo, target).code == 0
    made = read_provenance(target)
    assert made is not None
    assert (made.model, made.kernel, made.scale) == ("tiny", "bicubic", 4)
    assert made.input_sha256 == read_picture(photo).sha256


def test_json(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    done = mapsr("upscale", photo, "-m", tiny_model, "--json")
    (result,) = done.json["results"]
    assert done.json["failed"] == []
    keys = {"input", "output", "model", "scale", "kernel", "evidence", "size", "seconds", "consistency"}
    assert set(result) == keys
    assert set(result["seconds"]) == {"decode", "network", "project", "encode", "total"}
    keys = {"mse_float", "max_abs_float", "lr_psnr_file", "bit_exact", "worst_levels", "passes"}
    assert set(result["consistency"]) == keys
    assert result["size"] == [80, 96]
    assert result["consistency"]["bit_exact"] == 1.0
    assert result["consistency"]["mse_float"] < 1e-13


@pytest.mark.parametrize("suffix", ["png", "tif", "webp", "jpg"])
def test_formats_in_and_out(mapsr: Mapsr, tmp_path: Path, tiny_model: Path, suffix: str) -> None:
    source = save(LR, tmp_path / f"in.{suffix}")
    target = tmp_path / f"out.{suffix}"
    done = mapsr("upscale", source, "-o", target, "-m", tiny_model)
    assert done.code == 0
    assert ("the guarantee ends there" in done.stderr) == (suffix == "jpg")
    assert mapsr("verify", source, target, "--kernel", "bicubic").code == (1 if suffix == "jpg" else 0)


def test_grey_stays_grey(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    source = save(LR[:1], tmp_path / "grey.png")
    assert mapsr("upscale", source, "-m", tiny_model).code == 0
    with Image.open(tmp_path / "grey_x4.png") as image:
        assert image.mode == "L"
    assert mapsr("verify", source, tmp_path / "grey_x4.png").code == 0


def test_tiled_files_are_the_untiled_ones(mapsr: Mapsr, photo: Path, tmp_path: Path, tiny_model: Path) -> None:
    for tile in ("off", "9"):
        assert mapsr("upscale", photo, "-m", tiny_model, "--tile", tile, "-o", tmp_path / f"{tile}.png").code == 0
    assert same_levels(*(read_picture(tmp_path / f"{tile}.png").levels for tile in ("off", "9")))


def test_a_bad_file_does_not_end_the_batch(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    bad = photo.with_name("bad.png")
    bad.write_bytes(b"nothing")
    done = mapsr(
        "upscale", bad, photo, photo.with_name("none.png"), "-m", tiny_model, "-o", photo.parent / "out", "--json"
    )
    assert done.code == 1
    assert [Path(r["input"]).name for r in done.json["results"]] == ["photo.png"]
    assert [Path(f["input"]).name for f in done.json["failed"]] == ["bad.png", "none.png"]
    assert "2 of 3 files failed" in done.stderr
    assert (photo.parent / "out" / "photo_x4.png").is_file()


def test_folders_keep_their_structure(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "in" / "deep").mkdir(parents=True)
    save(LR, tmp_path / "in" / "a.png")
    save(LR, tmp_path / "in" / "deep" / "b.png")
    (tmp_path / "in" / "notes.txt").write_text("not a picture")
    out = tmp_path / "out"
    assert mapsr("upscale", tmp_path / "in", "-o", out, "-m", tiny_model).code == 0
    assert [p.relative_to(out).as_posix() for p in out.rglob("*.png")] == ["a_x4.png"]
    assert mapsr("upscale", tmp_path / "in", "-o", out, "-m", tiny_model, "-r", "--skip-existing").code == 0
    assert (out / "deep" / "b_x4.png").is_file()


def test_existing_files_are_kept_unless_told(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    target = photo.with_name("photo_x4.png")
    target.write_bytes(b"mine")
    done = mapsr("upscale", photo, "-m", tiny_model)
    assert done.code == 1
    assert "--overwrite" in done.stderr
    assert mapsr("upscale", photo, "-m", tiny_model, "--skip-existing").code == 0
    assert target.read_bytes() == b"mine"
    assert mapsr("upscale", photo, "-m", tiny_model, "--overwrite").code == 0
    assert target.read_bytes()[:4] == b"\x89PNG"


def test_a_second_run_over_a_folder_leaves_the_first_ones_results(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    assert mapsr("upscale", photo.parent, "-m", tiny_model).code == 0
    assert mapsr("upscale", photo.parent, "-m", tiny_model, "--skip-existing").code == 0
    assert sorted(p.name for p in photo.parent.iterdir()) == ["photo.png", "photo_x4.png"]


def test_pipes(mapsr: Mapsr, photo: Path, tmp_path: Path, tiny_model: Path) -> None:
    done = mapsr("upscale", "-", "-o", "-", "-m", tiny_model, stdin=photo.read_bytes())
    assert done.code == 0
    (tmp_path / "piped.png").write_bytes(done.data)
    assert mapsr("verify", photo, tmp_path / "piped.png").code == 0
    assert mapsr("upscale", "-", "-m", tiny_model, stdin=photo.read_bytes()).code == 2


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--kernel", "cubic"], 2, "unknown kernel"),
        (["--tile", "some"], 2, "--tile"),
        (["--device", "cuda:7"], 2, "has no device"),
        (["--overwrite", "--skip-existing"], 2, "exclude"),
        (["--format", "gif"], 2, "gif"),
        (["--json", "-o", "-"], 2, "standard"),
        (["-o", "out.gif"], 2, "gif"),
        (["--format", "a/b.png"], 2, "--format"),
        (["--suffix", "/x"], 2, "--suffix"),
    ],
)
def test_wrong_usage(mapsr: Mapsr, photo: Path, tiny_model: Path, words: list[str], code: int, says: str) -> None:
    done = mapsr("upscale", photo, "-m", tiny_model, *words)
    assert done.code == code
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_inputs_are_not_replaced(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    words = ("-m", tiny_model, "--overwrite")
    earlier = save(LR, photo.with_name("photo_x4.png"))
    before = photo.read_bytes()
    assert mapsr("upscale", photo, "-o", photo, *words).code == 2
    assert mapsr("upscale", photo.parent / "*.png", *words).code == 2
    assert (photo.read_bytes(), earlier.read_bytes()) == (before, before)
    rerun = mapsr("upscale", photo.parent / "*.png", "-m", tiny_model, "--skip-existing", "--json")
    assert [Path(made["input"]) for made in rerun.json["results"]] == [earlier]
    assert mapsr("upscale", photo.parent, *words).code == 2  # its name alone makes it no output of ours
    assert earlier.read_bytes() == before
    earlier.unlink()
    photo.with_name("photo_x4_x4.png").unlink()
    for _ in range(2):
        assert mapsr("upscale", photo.parent, *words).code == 0
    assert not photo.with_name("photo_x4_x4.png").exists()


def test_what_a_model_cannot_do_is_wrong_usage(mapsr: Mapsr, photo: Path, tmp_path: Path, tiny_card: Card) -> None:
    def saved(network: torch.nn.Module, architecture: str, kernel: str, scale: int) -> Path:
        described = describe_kernel(make_kernel(kernel, scale))
        card = replace(tiny_card, architecture=architecture, config=asdict(network.config), kernel=described)  # type: ignore[call-overload]
        save_model(path := tmp_path / f"{architecture}.safetensors", network, card)
        return path

    roll = saved(MlpGenerator(MlpGeneratorConfig()), "mlp", "box", 2)
    paper = saved(PaperGenerator(PaperGeneratorConfig(widths=(8,))), "paper", "bicubic", 4)
    refused = mapsr("upscale", photo, "-m", roll)
    assert (refused.code, "takes no photographs" in refused.stderr) == (2, True)
    refused = mapsr("upscale", photo, "-m", paper, "--consistency", "none")
    assert (refused.code, "--consistency float" in refused.stderr) == (2, True)
    assert mapsr("upscale", photo, "-m", paper, "--consistency", "float").code == 0


def test_unknown_models(mapsr: Mapsr, photo: Path) -> None:
    done = mapsr("upscale", photo, "-m", "esrgan")
    assert done.code == 1
    assert done.stderr.splitlines()[0] == "error: no model 'esrgan'"
    assert f"bundled: {', '.join(bundled_models())}" in done.stderr


def test_debug_shows_the_cause(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(MapsrError):
        mapsr("upscale", tmp_path / "none.png", "-m", tiny_model, "--debug")


def test_interrupted(mapsr: Mapsr, photo: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mapsr_cli.cli.batch.upscale_frames", interrupt)
    assert mapsr("upscale", photo, "-m", tiny_model).code == 130
    assert not photo.with_name("photo_x4.png").exists()


def test_two_inputs_for_one_output(mapsr: Mapsr, photo: Path, tmp_path: Path, tiny_model: Path) -> None:
    twin = save(LR, tmp_path / "photo.tif")
    done = mapsr("upscale", photo, twin, "-m", tiny_model)
    assert done.code == 0
    assert f"note: {twin} is written to photo.tif_x4.png, as photo.png has the other name" in done.stderr
    assert photo.with_name("photo_x4.png").is_file()
    assert photo.with_name("photo.tif_x4.png").is_file()


def test_compare(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    done = mapsr("upscale", photo, "-m", tiny_model, "--compare", "--json")
    page = photo.with_name("photo_x4.html")
    assert done.json["results"][0]["page"] == str(page)
    html = page.read_text("utf-8")
    assert "photo_x4.png, downscaled by bicubic ×4 and rounded, is the input again, bit for bit." in html
    assert html.count("<img") == 2
    assert mapsr("verify", photo, photo.with_name("photo_x4.png")).code == 0


def test_options_without_what_they_are_about(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    """They were ignored."""
    refused = mapsr("upscale", photo, "-m", tiny_model, "--quality", 50)
    assert refused.code == 2
    assert "--quality: PNG files have none" in refused.stderr
    assert mapsr("upscale", photo, "-m", tiny_model, "--confidence", 0.8).code == 2
    assert not photo.with_name("photo_x4.png").exists()
    assert mapsr("upscale", photo, "-m", tiny_model, "--quality", 50, "-o", photo.with_name("a.webp")).code == 0
    assert mapsr("downscale", photo, "--quality", 50, "-o", photo.with_name("b.png")).code == 2
    assert mapsr("project", photo, photo.with_name("a.webp"), "--quality", 50, "-o", photo.with_name("b.png")).code == 2


def test_pages_are_kept_unless_told(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    page = photo.with_name("photo_x4.html")
    page.write_text("mine")
    words = ("upscale", photo, "-m", tiny_model, "--compare")
    assert mapsr(*words).code == 1
    assert page.read_text() == "mine"
    assert not photo.with_name("photo_x4.png").exists()
    assert mapsr(*words, "--overwrite").code == 0
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")


def test_a_page_shows_what_a_lossy_file_stores(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    assert mapsr("upscale", photo, "-m", tiny_model, "--compare", "--format", "jpg", "--quality", 20).code == 0
    uris = re.findall(r'src="data:image/webp;base64,([^"]*)"', photo.with_name("photo_x4.html").read_text("utf-8"))
    shown = read_picture(base64.b64decode(uris[1])).levels
    assert torch.equal(shown, read_picture(photo.with_name("photo_x4.jpg")).levels)


def test_a_page_of_an_input_with_an_odd_name(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    source = tmp_path / os.fsdecode(b"<b>\xff&.png")
    save(LR, tmp_path / "plain.png").rename(source)
    assert mapsr("upscale", source, "-m", tiny_model, "--compare").code == 0
    assert "&lt;b&gt;\\udcff&amp;.png" in source.with_name(f"{source.stem}_x4.html").read_text("utf-8")
