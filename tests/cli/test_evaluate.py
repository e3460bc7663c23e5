import csv
import sys
from pathlib import Path

import pytest
from torch import Tensor

from mapsr_cli.errors import install_command
from mapsr_cli.evaluation.protocol import Protocol
from mapsr_cli.zoo import load_model
from tests.cli.conftest import Mapsr
from tests.pictures import save, scene


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    save(scene(32, 40), folder / "a.png")
    save(scene(40, 33, seed=1), folder / "b.png")
    return folder


def test_a_table_and_its_protocol(mapsr: Mapsr, data: Path, tiny_model: Path) -> None:
    done = mapsr("evaluate", "-m", "bicubic", "-m", tiny_model, "--data", data)
    assert done.code == 0
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[0].strip() == "photos"
    assert next(line for line in lines if "bicubic " in line).split()[1] == "2"
    assert "100.00 %" in next(line for line in lines if "tiny" in line)
    assert lines[-1].startswith("protocol y: BT.601 luma, 4 pixels shaved")


def test_json(mapsr: Mapsr, data: Path, tiny_model: Path) -> None:
    done = mapsr(
        "evaluate",
        "-m",
        "pinv",
        "-m",
        tiny_model,
        "--data",
        data,
        "--protocol",
        "rgb",
        "--kernel",
        "gaussian9",
        "--json",
    )
    assert done.code == 0
    assert done.json["protocol"] == "rgb"
    assert done.json["kernel"] == {"name": "gaussian9", "scale": 4, "sigma": 1.6}
    assert set(done.json["models"]) == {"pinv", str(tiny_model)}
    of = done.json["models"][str(tiny_model)]
    assert of["bit_exact"] == 1.0
    assert of["lr_psnr_file"] is None
    assert of["lr_psnr_float"] > 130
    assert of["seconds_per_mp"] > 0
    assert set(of["images"]) == {"photos/a", "photos/b"}
    assert done.json["failed"] == []


def test_files(mapsr: Mapsr, data: Path, tmp_path: Path) -> None:
    html, table = tmp_path / "report.html", tmp_path / "table.csv"
    assert mapsr("evaluate", "-m", "bicubic", "-m", "pinv", "--data", data, "--html", html, "--csv", table).code == 0
    for option, path in (("--html", html), ("--csv", table)):
        refused = mapsr("evaluate", "-m", "bicubic", "--data", data, option, path)
        assert (refused.code, refused.stdout) == (1, "")
        assert f"{path} exists" in refused.stderr
    again = mapsr("evaluate", "-m", "bicubic", "-m", "pinv", "--data", data, "--html", html, "--overwrite")
    assert again.code == 0
    assert again.stderr == f"wrote {html}\n"
    text = html.read_text("utf-8")
    assert text.count('<div class="views">') == 2
    assert "2 of 2 images" in text
    with table.open() as lines:
        assert [row["image"] for row in csv.DictReader(lines)] == ["a", "b", "a", "b"]


def test_a_bad_file_does_not_end_it(mapsr: Mapsr, data: Path, tmp_path: Path) -> None:
    (data / "bad.png").write_bytes(b"nothing")
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    save(scene(32, 40), theirs / "a_x4.png")
    done = mapsr("evaluate", "-m", f"dir:{theirs}", "-m", "pinv", "--data", data, "--json")
    assert done.code == 1
    assert [(f["image"], f["model"]) for f in done.json["failed"]] == [
        ("photos/b", f"dir:{theirs}"), ("photos/bad", None)
    ]  # fmt: skip
    assert done.json["models"][f"dir:{theirs}"]["psnr"] is None  # HR itself
    assert set(done.json["models"]["pinv"]["images"]) == {"photos/a", "photos/b"}
    assert f"not evaluated: photos/b, dir:{theirs}: {theirs} has no file 'b'" in done.stderr
    assert "not evaluated: photos/bad: " in done.stderr


def test_many_failures_are_not_all_told(mapsr: Mapsr, data: Path) -> None:
    for index in range(12):
        (data / f"bad{index}.png").write_bytes(b"nothing")
    done = mapsr("evaluate", "-m", "pinv", "--data", data)
    assert done.code == 1
    assert done.stderr.splitlines()[-1] == "and 2 more; --json lists them all"


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["-m", "esrgan"], 1, "no model 'esrgan'"),
        (["-m", "dir:nowhere"], 2, "no such folder"),
        (["-m", "bicubic", "--protocol", "z"], 2, "protocol"),
        (["-m", "bicubic", "--kernel", "cubic"], 2, "unknown kernel"),
        (["-m", "bicubic", "--html", "nowhere/report.html"], 2, "there is no folder nowhere"),
        ([], 2, "--model"),
    ],
)
def test_wrong_usage(mapsr: Mapsr, data: Path, words: list[str], code: int, says: str) -> None:
    done = mapsr("evaluate", "--data", data, *words)
    assert done.code == code
    assert says in done.stderr


def test_without_the_extra(mapsr: Mapsr, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torchmetrics", None)
    done = mapsr("evaluate", "-m", "bicubic", "--data", data)
    assert done.code == 1
    assert install_command("eval") in done.stderr


def test_what_the_eye_sees_with_a_note_on_what_cannot_be_had(
    mapsr: Mapsr, data: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "torchvision", None)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    (data / "b.png").unlink()
    words = ("evaluate", "-m", "bicubic", "-m", f"dir:{data}", "--data", data, "--perceptual")
    done = mapsr(*words)
    assert done.code == 0
    assert "no LPIPS, no DISTS" in done.stderr
    assert install_command("perceptual") in done.stderr
    assert "no NIQE" in done.stderr
    assert str(tmp_path / "hub" / "checkpoints") in done.stderr
    assert all(title in done.stdout for title in ("SSIMULACRA2", "FLIP", "energy", "grid"))
    assert "NIQE" not in done.stdout
    means = mapsr(*words, "--json").json["models"]
    truth, bicubic = means[f"dir:{data}"], means["bicubic"]
    assert (truth["ssimulacra2"], truth["flip"], truth["gradient_energy"]) == (100, 0, 1)
    assert bicubic["ssimulacra2"] < 90
    assert bicubic["gradient_energy"] < 1


def test_folders_that_may_not_be_entered_are_one_line(mapsr: Mapsr, data: Path, locked: Path) -> None:
    save(scene(48, 40), locked / "a.png")
    for words in (("-m", "bicubic", "--data", locked), ("-m", f"dir:{locked}", "--data", data)):
        done = mapsr("evaluate", *words)
        assert done.code == 1
        assert "locked cannot be read: Permission denied" in done.stderr
        assert len(done.stderr.splitlines()) == 1


def test_what_is_read_is_never_replaced(mapsr: Mapsr, data: Path, tiny_model: Path) -> None:
    before = tiny_model.read_bytes(), (data / "a.png").read_bytes()
    for option, path in (("--html", tiny_model), ("--csv", data / "a.png")):
        done = mapsr("evaluate", "-m", tiny_model, "--data", data, option, path, "--overwrite")
        assert done.code == 1
        assert "read by this command" in done.stderr
    assert (tiny_model.read_bytes(), (data / "a.png").read_bytes()) == before
    twice = mapsr("evaluate", "-m", "bicubic", "--data", data, "--html", data / "x", "--csv", data / "x")
    assert twice.code == 2
    assert "named twice" in twice.stderr


def test_too_little_memory_for_one_image_ends_that_image_alone(
    mapsr: Mapsr, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compare = Protocol.compare

    def greedy(self: Protocol, a: Tensor, b: Tensor, scale: int) -> tuple[float, float]:
        if a.shape[-1] == 40:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 10 bytes")
        return compare(self, a, b, scale)

    monkeypatch.setattr(Protocol, "compare", greedy)
    done = mapsr("evaluate", "-m", "bicubic", "--data", data, "--json")
    assert done.code == 1
    assert list(done.json["models"]["bicubic"]["images"]) == ["photos/b"]
    (failure,) = done.json["failed"]
    assert (failure["image"], failure["error"]) == ("photos/a", "out of memory evaluating it")


def test_hallucination(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    save(scene(96, 128), tmp_path / "a.png")
    done = mapsr("evaluate", "-m", "bicubic", "-m", tiny_model, "--data", tmp_path, "--hallucination", "--json")
    assert done.code == 0
    for means in done.json["models"].values():
        assert sum(means[key] for key in ("improvement", "omission", "hallucination")) == pytest.approx(1, abs=1e-5)
        assert 0 <= means["fake_patches"] <= 1
    shown = mapsr("evaluate", "-m", "bicubic", "--data", tmp_path, "--hallucination").stdout
    assert all(title in shown for title in ("improved", "omitted", "invented", "fake patches"))


def test_a_calibrated_model_says_how_often_it_is_right(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    photos, others, target = tmp_path / "photos", tmp_path / "others", tmp_path / "calibrated.safetensors"
    for folder, seeds in ((photos, range(10)), (others, range(20, 24))):
        folder.mkdir()
        for seed in seeds:
            save(scene(48, 56, seed, contrast=0.4 + 0.05 * (seed % 10)), folder / f"{seed}.png")
    done = mapsr("evaluate", "-m", tiny_model, "--data", photos, "--calibrate", target, "--json")
    assert done.code == 0
    assert f"wrote {target}" in done.stderr
    bars = load_model(target).card.error_bars
    assert bars is not None
    assert (bars.images, bars.data) == (10, "10 photographs: photos")
    done = mapsr("evaluate", "-m", target, "-m", tiny_model, "--data", others, "--error-bars", 0.9, "--json")
    means = done.json["models"][str(target)]
    assert 0.85 < means["coverage"] < 0.98
    assert means["error_bar"] > 1
    assert "coverage" not in done.json["models"][str(tiny_model)]
    assert mapsr("evaluate", "-m", target, "--data", photos, "--calibrate", target).code == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("-m", "bicubic"), "takes one model"),
        (("-m", "{model}", "-m", "bicubic"), "takes one model"),
        (("-m", "{model}", "--kernel", "box"), "own kernel and factor"),
        (("-m", "{model}", "--scale", 2), "own kernel and factor"),
        (("-m", "{model}"), "2 photographs"),
    ],
)
def test_what_cannot_be_calibrated(
    words: tuple[object, ...], why: str, mapsr: Mapsr, data: Path, tiny_model: Path
) -> None:
    given = [str(word).format(model=tiny_model) for word in words]
    done = mapsr("evaluate", *given, "--data", data, "--calibrate", data / "new.safetensors")
    assert done.code != 0
    assert why in done.stderr
    assert not (data / "new.safetensors").exists()
