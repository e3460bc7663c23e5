"""`mapsr train --dry-run` as a user meets it; and what a validation measures."""

from pathlib import Path

import pytest

from mapsr_cli.training.journal import read_metrics
from mapsr_cli.zoo import load_model
from tests.cli.conftest import Mapsr

SMALL = ["--set", "generator.channels=8", "--set", "generator.blocks=1", "--patch", "16", "--batch", "2"]
SMALL += ["--device", "cpu", "--precision", "fp32", "--set", "data.workers=0"]
PRIOR = ["--set", "denoiser.widths=[8]"]


@pytest.mark.parametrize(("method", "more"), [("affmae", []), ("affdg", PRIOR), ("denoiser", PRIOR)])
def test_it_measures_and_keeps_nothing(
    mapsr: Mapsr, photos: Path, tmp_path: Path, method: str, more: list[str]
) -> None:
    small = [*SMALL[4:], *more] if method == "denoiser" else [*SMALL, *more]
    run = ["train", method, "--data", photos, "--out", tmp_path / "run", "--dry-run", "--steps", 1000, *small]
    done = mapsr(*run, "--json")
    assert done.code == 0, done.stderr
    said = done.json
    expected = {"denoiser": 8 * 27 + 8 + 8 * 27 + 3} if method == "denoiser" else {"generator": 5_000}
    assert said["parameters"].keys() == ({"prior"} if method == "denoiser" else expected.keys())
    assert all(count > 0 for count in said["parameters"].values())
    assert (said["images"], said["batch"], said["steps"]) == (3, 2, 1000)
    assert said["minutes_per_1000_steps"] == pytest.approx(1000 * 2 / said["images_per_second"] / 60, rel=0.01)
    assert said["memory"] > 1e8
    assert not (tmp_path / "run").exists()


def test_a_person_reads_it(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    done = mapsr("train", "affmae", "--data", photos, "--out", tmp_path / "run", "--dry-run", "--minutes", 2, *SMALL)
    assert done.code == 0, done.stderr
    assert "3 images found; 2 patches of 16×16 a step" in done.stdout
    assert "minutes per 1,000 steps" in done.stdout
    assert "length    2 minutes, about" in done.stdout


def test_a_run_keeps_its_best_by_a_named_measure(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    wish = ["--data", photos, "--valid", photos, "--out", out, "--steps", 3, "--log", "csv", *SMALL]
    done = mapsr("train", "affmae", *wish, "--set", "loop.best=gradient_energy", "--set", "loop.validate_minutes=0",
                 "--json")  # fmt: skip
    assert done.code == 0, done.stderr
    best, valid = done.json["best"], done.json["valid"]
    assert {"psnr_y", "gradient_energy", "ssimulacra2", "consistency_mse"} <= valid.keys()
    logged = {step: float(value) for step, name, value in read_metrics(out) if name == "valid/gradient_energy"}
    assert abs(best["gradient_energy"] - 1) == pytest.approx(min(abs(v - 1) for v in logged.values()), abs=1e-6)
    card = load_model(Path(best["weights"])).card
    assert card.training["steps"] == best["step"]
    assert card.metrics["gradient_energy"] == best["gradient_energy"]


def test_a_measure_that_is_not_there_is_told_beforehand(
    mapsr: Mapsr, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mapsr_cli.evaluation.validation.measures_here", lambda scale: {})
    wish = ["--data", photos, "--valid", photos, "--out", tmp_path / "run", "--steps", 1, *SMALL]
    done = mapsr("train", "affmae", *wish, "--set", "loop.best=ssimulacra2")
    assert done.code == 2
    assert "loop.best=ssimulacra2 is not measured here" in done.stderr
