import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mapsr_cli.imaging import Frames, Picture, write_picture
from mapsr_cli.inference.files import encode_file, upscale_frames
from mapsr_cli.operators import make_kernel
from mapsr_cli.reports import redo
from mapsr_cli.reports.document import read_report
from mapsr_cli.reports.machine import this_machine
from tests.cli.conftest import Mapsr
from tests.pictures import lr_of, save, scene

LR = lr_of(scene(160, 120), make_kernel("bicubic", 4))


def _colour(path: Path, **options: Any) -> Path:
    Image.fromarray(LR.byte().permute(1, 2, 0).contiguous().numpy()).save(path, **options)
    return path


def _turned(folder: Path) -> Path:
    exif = Image.Exif()
    exif[0x112] = 6
    return _colour(folder / "in.jpg", exif=exif)


def _transparent(folder: Path) -> Path:
    with Image.open(_colour(folder / "opaque.png")) as image:
        image.putalpha(Image.fromarray(LR[0].byte().numpy()))
        image.save(folder / "in.png")
    return folder / "in.png"


def _deep(folder: Path) -> Path:
    write_picture(folder / "in.png", Picture((257 * LR.int()).to(torch.uint16), 65535))
    return folder / "in.png"


def _moving(folder: Path) -> Path:
    frames = [Image.fromarray(np.roll(LR[0].byte().numpy(), 4 * n)) for n in range(3)]
    frames[0].save(folder / "in.gif", save_all=True, append_images=frames[1:], duration=80)
    return folder / "in.gif"


def _inks(folder: Path) -> Path:
    with Image.open(_colour(folder / "rgb.png")) as image:
        image.convert("CMYK").save(folder / "in.tif")
    return folder / "in.tif"


KINDS: dict[str, tuple[Callable[[Path], Path], list[str]]] = {
    "colour": (lambda folder: _colour(folder / "in.png"), []),
    "grey": (lambda folder: save(LR[:1], folder / "in.png"), []),
    "JPEG, turned": (_turned, []),
    "transparent": (_transparent, ["--format", "webp"]),
    "16 bits": (_deep, []),
    "animation": (_moving, ["--animate"]),
    "inks": (_inks, ["--format", "tif"]),
    "lossy": (lambda folder: _colour(folder / "in.bmp"), ["--format", "jpg", "--quality", "80"]),
    "larger than the model": (lambda folder: _colour(folder / "in.png"), ["--scale", "5.5"]),
    "smaller": (lambda folder: _colour(folder / "in.png"), ["--width", "61", "--kernel", "lanczos3"]),
    "soft": (lambda folder: _colour(folder / "in.png"), ["--strength", "0.7", "--precision", "bf16"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_to_the_bit_with_other_tiles_and_threads(
    mapsr: Mapsr, tmp_path: Path, tiny_model: Path, kind: str
) -> None:
    make, options = KINDS[kind]
    source = make(tmp_path)
    done = _with_threads(2, mapsr, "upscale", source, "--report", "-m", tiny_model, "--tile", 9, *options, "--json")
    assert done.code == 0
    report = Path(done.json["results"][0]["report"])
    assert json.loads(report.read_text())["settings"]["tile"] == [9]
    assert read_report(report).to_json() == report.read_bytes()
    again = mapsr("redo", report, "--model", tiny_model, "-o", tmp_path / "again.png", "--json")
    assert again.code == 0
    assert (again.json["same"], again.json["beside"]["same"], again.json["differences"]) == (True, True, [])
    assert (tmp_path / "again.png").read_bytes() == Path(done.json["results"][0]["output"]).read_bytes()


def _with_threads(count: int, run: Callable[..., Any], *words: object) -> Any:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        return run(*words)
    finally:
        torch.set_num_threads(before)


def test_every_sample_of_a_model_that_draws(mapsr: Mapsr, tmp_path: Path, stochastic_model: Path) -> None:
    source = _colour(tmp_path / "in.png")
    words = ("upscale", source, "--report", "-m", stochastic_model, "--samples", 2, "--seed", 7)
    assert mapsr(*words).code == 0
    for number in (1, 2):
        assert mapsr("redo", tmp_path / f"in_x4_{number}.json", "-m", stochastic_model).code == 0
    assert [entry["kept"] for entry in json.loads((tmp_path / "reports.json").read_text())["results"]] == [True, True]


def test_a_measured_kernel_is_in_the_report(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    source, psf = _colour(tmp_path / "in.png"), tmp_path / "hidden" / "psf.npy"
    psf.parent.mkdir()
    np.save(psf, np.outer(np.arange(1, 8), [1, 2, 3, 2, 1]))
    assert mapsr("upscale", source, "--report", "-m", tiny_model, "--kernel", f"file:{psf}").code == 0
    text = (tmp_path / "in_x4.json").read_text()
    assert ("hidden" in text, "file:psf.npy" in text) == (False, True)
    psf.unlink()
    assert mapsr("redo", tmp_path / "in_x4.json", "-m", tiny_model).code == 0


@pytest.fixture
def done(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> Path:
    """A report, with original, model and result beside it."""
    (tmp_path / tiny_model.name).write_bytes(tiny_model.read_bytes())
    assert mapsr("upscale", _colour(tmp_path / "in.png"), "--report", "-m", tiny_model).code == 0
    return tmp_path / "in_x4.json"


def _flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def test_original_and_model_are_found_beside_the_report(mapsr: Mapsr, done: Path) -> None:
    again = mapsr("redo", done)
    assert again.code == 0
    assert again.stdout == "the same to the bit: in_x4.png made again from in.png by tiny\n"
    assert again.stderr == ""


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("in.png", "is not the original of the report, in.png"),
        ("tiny.safetensors", "is not the model of the report"),
        ("in_x4.json", "was changed since it was written"),
    ],
)
def test_a_changed_bit_is_told(mapsr: Mapsr, done: Path, name: str, says: str) -> None:
    _flip(done.with_name(name), done.with_name(name).stat().st_size // 2)
    refused = mapsr("redo", done)
    assert refused.code == 1
    assert says in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_changed_result_is_told(mapsr: Mapsr, done: Path) -> None:
    result = done.with_name("in_x4.png")
    with Image.open(result) as image:
        pixels = np.array(image)
    pixels[3, 4, 1] ^= 2
    Image.fromarray(pixels).save(result)
    again = mapsr("redo", done)
    assert again.code == 1
    assert "the same to the bit: in_x4.png made again" in again.stdout
    assert "the file in_x4.png beside the report was changed: its SHA-256 is another" in again.stderr
    assert "in 1 of its 57,600 samples, by 2 levels at most" in again.stderr


def test_what_is_missing_is_named(mapsr: Mapsr, done: Path) -> None:
    done.with_name("in_x4.png").unlink()
    assert mapsr("redo", done).code == 0
    done.with_name("tiny.safetensors").unlink()
    assert "the model of the report, tiny, is not on this machine" in mapsr("redo", done).stderr
    done.with_name("in.png").unlink()
    assert "cannot read" in mapsr("redo", done).stderr


def test_another_machine_is_described_where_bits_differ(
    mapsr: Mapsr, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def off_by_one(*given: Any) -> Any:
        frames, report = upscale_frames(*given)
        levels = frames.pictures[0].levels.clone()
        levels[0, 0, 0] ^= 1
        return Frames((replace(frames.pictures[0], levels=levels),)), report

    def elsewhere(upscaler: Any) -> Any:
        here = this_machine("cpu", "fp32")
        return replace(here, processor="Another CPU", versions={**here.versions, "torch": "9.9"})

    monkeypatch.setattr(redo, "machine_of", elsewhere)
    same = mapsr("redo", done)
    assert (same.code, same.stderr) == (0, "")
    assert {one["what"] for one in mapsr("redo", done, "--json").json["differences"]} >= {"processor", "torch"}
    monkeypatch.setattr(redo, "upscale_frames", off_by_one)
    other = mapsr("redo", done)
    assert other.code == 1
    assert other.stdout.startswith("not the same: in_x4.png made again")
    assert "differs from what was made again in 1 of its 57,600 samples, by 1 level at most" in other.stderr
    assert "Another CPU here" in other.stderr
    assert "9.9 here" in other.stderr


def test_a_report_cannot_lead_elsewhere(mapsr: Mapsr, done: Path, tmp_path: Path) -> None:
    """Reports may come from anybody: they name files, never places, and do not ask for the impossible."""
    stated = read_report(done)
    (below := tmp_path / "below").mkdir()
    odd = replace(stated, original=replace(stated.original, name="../in.png"))
    (below / "odd.json").write_bytes(odd.to_json())
    assert f"cannot read {below / 'in.png'}" in mapsr("redo", below / "odd.json").stderr
    done.write_bytes(replace(stated, machine=replace(stated.machine, threads=10**9)).to_json())
    refused = mapsr("redo", done)
    assert (refused.code, "machine.threads" in refused.stderr) == (1, True)


def test_another_encoder_is_told_from_another_picture(
    mapsr: Mapsr, done: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redo, "encode_file", lambda *given: (encode_file(*given)[0] + b"more", None))
    again = mapsr("redo", done)
    assert again.code == 1
    assert again.stdout.startswith("not the same file, though every sample is the same: in_x4.png")
