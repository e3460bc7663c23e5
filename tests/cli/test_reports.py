import json
import os
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
import torch

from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.operators import make_kernel
from mapsr_cli.reports.document import read_report
from mapsr_cli.zoo import Card, save_model
from tests.cli.conftest import Mapsr
from tests.pictures import lr_of, save, scene
from tools import report_schema

LR = lr_of(scene(48, 40), make_kernel("bicubic", 4))
SCHEMA = json.loads(report_schema.FILE.read_text("utf-8"))


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    (folder := tmp_path / "secret").mkdir()
    return save(LR, folder / "photo.png")


def test_what_a_report_says(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    words = ("upscale", photo, "-m", tiny_model, "--report", "--tile", 5, "-o", photo.parent / "big.png")
    done = mapsr(*words, "--json")
    report = photo.with_name("big.json")
    assert done.json["results"][0]["report"] == str(report)
    assert done.json["results"][0]["report_page"] == str(photo.with_name("big_report.html"))
    written = json.loads(report.read_text("utf-8"))
    jsonschema.validate(written, SCHEMA)
    assert written["command"] == "mapsr upscale photo.png --report --model tiny.safetensors --tile 5"
    assert written["verification"] == done.json["results"][0]["consistency"]
    assert written["promise"]["kept"] is True
    assert (written["settings"]["tile"], written["original"]["size"]) == ([5], [10, 12])


def test_no_folder_is_named(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    twin = save(LR, photo.with_name("twin.png"))
    photo.with_name("bad.png").write_bytes(b"nothing")
    done = mapsr("upscale", photo, twin, photo.with_name("bad.png"), "-m", tiny_model, "--report")
    assert done.code == 1
    written = [path for path in photo.parent.iterdir() if path.suffix in (".json", ".html")]
    pairs = {f"{name}_x4{end}" for name in ("photo", "twin") for end in (".json", "_report.html")}
    assert {path.name for path in written} == {"reports.json", "reports.html", *pairs}
    for text in (path.read_text("utf-8") for path in written):
        assert not {part for part in (*photo.parts[1:-1], *tiny_model.parts[1:-1]) if part in text}


@pytest.mark.parametrize(
    ("options", "kept", "says"),
    [
        ([], True, "and rounded, is the original, bit for bit"),
        (["--format", "jpg"], False, "and rounded, is the original, bit for bit"),
        (["--consistency", "float"], None, "but for clipping and rounding"),
        (["--strength", 0.5], None, "nothing: strength 0.5"),
    ],
)
def test_promises(
    mapsr: Mapsr, photo: Path, tiny_model: Path, options: list[object], kept: bool | None, says: str
) -> None:
    assert mapsr("upscale", photo, "-m", tiny_model, "--report", *options).code == 0
    promise = read_report(photo.with_name("photo_x4.json")).promise
    assert (promise.kept, says in promise.text) == (kept, True)


def test_an_index_of_a_batch_grows_and_forgets_what_is_gone(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    (deep := photo.parent / "deep").mkdir()
    for name in ("b", "c"):
        save(LR, deep / f"{name}.png")
    out = photo.parent / "out"
    words = ("upscale", photo.parent, "-r", "-o", out, "-m", tiny_model, "--report")
    assert mapsr(*words).code == 0
    index = json.loads((out / "reports.json").read_text("utf-8"))
    assert [entry["report"] for entry in index["results"]] == ["deep/b_x4.json", "deep/c_x4.json", "photo_x4.json"]
    assert [entry["result"] for entry in index["results"]] == ["deep/b_x4.png", "deep/c_x4.png", "photo_x4.png"]
    (out / "deep" / "b_x4.json").unlink()
    again = mapsr(*words, "--skip-existing")
    assert again.code == 0
    assert f"{out / 'deep' / 'b_x4.png'} was there already, and has no report" in again.stderr
    index = json.loads((out / "reports.json").read_text("utf-8"))
    assert [entry["report"] for entry in index["results"]] == ["deep/c_x4.json", "photo_x4.json"]
    assert 'href="deep/c_x4_report.html"' in (out / "reports.html").read_text("utf-8")


def test_a_file_that_is_no_index_is_left_alone(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    twin = save(LR, photo.with_name("twin.png"))
    (mine := photo.with_name("reports.json")).write_text("{}")
    refused = mapsr("upscale", photo, twin, "-m", tiny_model, "--report")
    assert (refused.code, "is no index of mapsr's" in refused.stderr) == (1, True)
    assert (mine.read_text(), photo.with_name("photo_x4.png").exists()) == ("{}", False)


def test_reports_are_kept_unless_told(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    (mine := photo.with_name("photo_x4.json")).write_text("mine")
    assert mapsr("upscale", photo, "-m", tiny_model, "--report").code == 1
    assert (mine.read_text(), photo.with_name("photo_x4.png").exists()) == ("mine", False)
    assert mapsr("upscale", photo, "-m", tiny_model, "--report", "--overwrite").code == 0
    assert read_report(mine).result.name == "photo_x4.png"


def test_pipes(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    words = ("-m", tiny_model, "--report")
    refused = mapsr("upscale", "-", "-o", "-", *words, stdin=photo.read_bytes())
    assert (refused.code, "--report writes a file beside the output" in refused.stderr) == (2, True)
    target = photo.with_name("piped.png")
    assert mapsr("upscale", "-", "-o", target, *words, stdin=photo.read_bytes()).code == 0
    assert read_report(target.with_suffix(".json")).original.name == "standard input"
    assert mapsr("redo", target.with_suffix(".json"), photo, "-m", tiny_model).code == 0


def test_names_that_are_no_text(mapsr: Mapsr, photo: Path, tiny_model: Path) -> None:
    source = photo.rename(photo.with_name(os.fsdecode(b"<b>\xff&.png")))
    assert mapsr("upscale", source, "-m", tiny_model, "--report").code == 0
    report = source.with_name(f"{source.stem}_x4.json")
    assert mapsr("redo", report, source, "-m", tiny_model).code == 0
    page = source.with_name(f"{source.stem}_x4_report.html").read_text("utf-8")
    assert "&lt;b&gt;\\udcff&amp;" in page
    assert "<b>" not in page


def test_noise_is_evidence_of_its_own(mapsr: Mapsr, photo: Path, tiny_card: Card) -> None:
    """Of a network whose f is a picture: one that was trained without a projection."""
    torch.manual_seed(0)
    network = Compact(CompactConfig(**tiny_card.config))
    save_model(
        model := photo.with_name("free.safetensors"), network, replace(tiny_card, constraint="none", method="mse")
    )
    assert mapsr("upscale", photo, "--report", "--noise", "auto", "-m", model).code == 0
    promise = read_report(photo.with_name("photo_x4.json")).promise
    assert (promise.evidence, promise.kept) == ("noise", True)
    assert "is within ±3 σ of every sample of the original, σ = " in promise.text
    assert mapsr("redo", photo.with_name("photo_x4.json")).code == 0
