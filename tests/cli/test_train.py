"""`mapsr train` as a user meets it: real files, a tiny network, a few steps."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, get_args

import pytest
import torch

from mapsr_cli.training.checkpoint import load_state
from mapsr_cli.training.journal import read_metrics
from mapsr_cli.training.sections import ProjectionKind
from mapsr_cli.zoo import find_here, load_model
from tests.cli.conftest import Mapsr
from tests.signals import default_signals

SMALL = ["--set", "generator.channels=8", "--set", "generator.blocks=1", "--patch", "16", "--batch", "2"]
SMALL += ["--device", "cpu", "--set", "data.workers=0"]


def test_a_model_is_trained_and_upscales(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = mapsr(
        "train", "affmse", "--data", photos, "--valid", photos, "--out", out, "--steps", 6, *SMALL, "--json",
        "--set", "loop.log_steps=2",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    said = done.json
    assert said["steps"] == 6
    assert said["images_per_second"] > 0
    assert said["valid"]["consistency_mse"] < 1e-12
    card = load_model(Path(said["weights"])).card
    assert card.method == "affmse"
    assert card.metrics == said["valid"]
    assert {step for step, name, _ in read_metrics(out) if name == "loss"} == {2, 4, 6}
    assert list((out / "tensorboard").glob("events*"))
    assert (out / "samples" / "0000006.png").exists()
    upscaled = mapsr("upscale", photos / "0.png", "-o", tmp_path / "big.png", "-m", said["weights"])
    assert upscaled.code == 0, upscaled.stderr


def test_a_run_ends_with_how_good_it_is_and_how_to_use_it(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "my run"
    wish = ["--data", photos, "--valid", photos, "--out", out, "--steps", 2, "--log", "csv", *SMALL]
    done = mapsr("train", "affmse", *wish, "--set", "criterion.rate=1e-9")
    assert done.code == 0, done.stderr
    weights = out / "weights.safetensors"
    assert done.stdout == f"{weights}\n"
    told = re.search(rf"{photos.name} ([\d.]+) dB \(bicubic ([\d.]+)\)\n", done.stderr)
    assert told is not None
    models = mapsr(
        "evaluate", "--model", weights, "--model", "bicubic", "--data", photos, "--precision", "fp32", "--json"
    )
    ours, bicubic = (model["psnr"] for model in models.json["models"].values())
    assert (float(told[1]), float(told[2])) == pytest.approx((ours, bicubic), abs=0.0051)
    assert done.stderr.endswith(f"to use it: mapsr upscale photo.png -m '{weights}'\n")
    assert "reading data" not in done.stderr  # a terminal's alone


PROJECTIONS = [("affmse", ["--projection", name]) for name in get_args(ProjectionKind)]


@pytest.mark.parametrize(("method", "projection"), [*PROJECTIONS, ("mse", [])])
def test_the_header_says_what_evaluate_says(
    method: str, projection: list[str], mapsr: Mapsr, photos: Path, tmp_path: Path
) -> None:
    """Also of a learnt A⁺, which is stored in the file, and in whose place upscaling has the exact one."""
    out = tmp_path / "run"
    wish = ["--data", photos, "--valid", photos, "--out", out, "--steps", 2, "--log", "csv", *SMALL, *projection]
    done = mapsr("train", method, *wish)
    assert done.code == 0, done.stderr
    weights = out / "weights.safetensors"
    told = mapsr("evaluate", "--model", weights, "--data", photos, "--precision", "fp32", "--json")
    (measured,) = told.json["models"].values()
    header = load_model(weights).card.metrics
    assert header["psnr_y"] == pytest.approx(measured["psnr"], abs=0.01)
    assert header["consistency_mse"] == pytest.approx(measured["consistency_mse"], rel=1e-3, abs=1e-15)
    assert find_here(str(out)) == weights


def test_what_takes_no_pictures_is_not_said_to(mapsr: Mapsr, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = mapsr(
        "train", "affmse", "--preset", "swissroll", "--steps", 1, "--batch", 8, "--device", "cpu", "--out", run
    )
    assert done.code == 0
    assert f"to use it: mapsr_cli.load('{run / 'weights.safetensors'}')" in done.stderr


def test_a_run_goes_on_where_it_stopped(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    common = ["--data", photos, "--log", "csv", *SMALL]
    assert mapsr("train", "affmse", "--out", tmp_path / "whole", "--steps", 8, *common).code == 0
    parts = tmp_path / "parts"
    assert mapsr("train", "affmse", "--out", parts, "--steps", 8, *common).code == 0
    again = mapsr("train", "affmse", "--out", parts, *common)
    assert again.code == 2
    assert "already holds a run" in again.stderr
    longer = mapsr("train", "affmse", "--out", parts, "--resume", "--steps", 12, "--log", "csv", "--json")
    assert longer.code == 0, longer.stderr
    assert longer.json["steps"] == 12
    other = mapsr("train", "affmae", "--out", parts, "--resume")
    assert "holds a run of affmse" in other.stderr


def test_another_preset_cannot_resume(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    run = ["train", "affmse", "--out", tmp_path / "run"]
    assert mapsr(*run, "--data", photos, "--log", "csv", "--steps", 1, *SMALL).code == 0
    refused = mapsr(*run, "--resume", "--preset", "grass")
    assert refused.code == 2
    assert "holds a run with --preset compact, not grass" in refused.stderr
    assert mapsr(*run, "--resume", "--preset", "compact", "--steps", 2, "--log", "csv").code == 0


def test_a_damaged_checkpoint_is_told_and_the_one_before_it_taken(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    run = ["train", "affmse", "--out", tmp_path / "run", "--log", "csv"]
    brief = ["--data", photos, "--steps", 4, "--set", "loop.checkpoint_minutes=0", *SMALL]
    assert mapsr(*run, *brief).code == 0
    path = tmp_path / "run" / "checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    resumed = mapsr(*run, "--resume", "--steps", 6)
    assert resumed.code == 0, resumed.stderr
    assert "the run goes on from the checkpoint before it, at step" in resumed.stderr
    for name in ("checkpoint.safetensors", "checkpoint.previous.safetensors"):
        (tmp_path / "run" / name).write_bytes(b"nothing")
    refused = mapsr(*run, "--resume", "--steps", 8)
    assert refused.code == 1
    assert len(refused.stderr.strip().splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["affmsee"], "unknown method"),
        (["affmse", "--preset", "grasss"], "unknown preset"),
        (["affmse", "--set", "loop.clipp=1"], "no setting 'clipp'"),
        (["affmse", "--set", "criterion.noise=linear"], "no setting 'noise'"),
        (["affgan", "--set", "criterion.noise=cubic"], "should be 'none', 'linear'"),
        (["affmse", "--device", "cuda"], "no device"),
        (["affmse", "--log", "paper"], "unknown log"),
        (["affmse", "--init", "nothing"], "no model"),
        (["affmse", "--minutes", "0"], "above 0"),
    ],
)
def test_wrong_usage_is_told_in_one_line(
    mapsr: Mapsr, photos: Path, tmp_path: Path, arguments: list[str], complaint: str
) -> None:
    done = mapsr("train", *arguments, "--data", photos, "--out", tmp_path / "run", "--steps", 1)
    assert done.code in (1, 2)
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr


def test_one_picture_is_no_training_data(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    done = mapsr("train", "affmse", "--data", photos / "0.png", "--out", tmp_path / "run", "--steps", 1)
    assert done.code == 2
    assert "0.png is one picture" in done.stderr
    assert "a folder of images" in done.stderr


def test_patches_are_rounded_up_to_the_scale_and_said(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    out = ["--out", tmp_path / "run", "--log", "csv"]
    done = mapsr("train", "affmse", "--data", photos, *out, "--steps", 1, "--scale", 3, *SMALL)
    assert done.code == 0, done.stderr
    assert "patches have 18×18 pixels instead of 16×16: a multiple of the scale" in done.stderr
    assert load_model(tmp_path / "run" / "weights.safetensors").card.config["scale"] == 3


def test_a_run_learns_from_degraded_originals_and_resumes(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    """The header tells how; the same run on clean originals has other losses."""
    run = ["train", "mae", "--out", tmp_path / "run", "--log", "csv"]
    ranges = ["data.jpeg=30..90", "data.noise=0..3", "data.blur=0..0.5", "data.clean=0.2"]
    wish = [word for range_ in ranges for word in ("--set", range_)]
    assert mapsr(*run, "--data", photos, "--steps", 2, *SMALL, *wish).code == 0
    done = mapsr(*run, "--resume", "--steps", 4)
    assert done.code == 0, done.stderr
    data = load_model(tmp_path / "run" / "weights.safetensors").card.training["settings"]["sections"]["data"]
    assert (data["jpeg"], data["noise"], data["blur"]) == ([30, 90], [0.0, 3.0], [0.0, 0.5])
    plain = ["train", "mae", "--out", tmp_path / "plain", "--log", "csv", "--data", photos, "--steps", 4, *SMALL]
    assert mapsr(*plain).code == 0
    ours, theirs = ([row for row in read_metrics(tmp_path / f) if row[1] == "loss"] for f in ("run", "plain"))
    assert ours != theirs


def test_a_student_learns_from_estimates_made_elsewhere(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    """The header names the folder, not where it lies."""
    run = ["train", "affmae", "--data", photos, "--out", tmp_path / "run", "--log", "csv", "--steps", 2, *SMALL]
    done = mapsr(*run, "--set", f"teacher.estimates={photos}")
    assert done.code == 0, done.stderr
    sections = load_model(tmp_path / "run" / "weights.safetensors").card.training["settings"]["sections"]
    assert sections["teacher"]["estimates"] == photos.name
    assert mapsr("train", "affmae", "--out", tmp_path / "run", "--resume", "--steps", 3, "--log", "csv").code == 0


def test_data_are_needed(mapsr: Mapsr, tmp_path: Path) -> None:
    done = mapsr("train", "affmse", "--out", tmp_path / "run", "--steps", 1)
    assert done.code == 2
    assert "no data to train on" in done.stderr


def test_a_guided_method_trains_its_prior_once(mapsr: Mapsr, tmp_path: Path) -> None:
    command = ["train", "affdg", "--preset", "swissroll", "--steps", 4, "--batch", 8, "--device", "cpu", "--json"]
    command += ["--set", "prior.steps=6", "--set", "prior.snapshots=2", "--log", "csv"]
    assert mapsr(*command, "--out", tmp_path / "one").code == 0
    (prior,) = (tmp_path / "priors").iterdir()
    kept = sorted((prior / "snapshots").iterdir())
    assert len(kept) == 2
    times = [path.stat().st_mtime_ns for path in kept]
    assert mapsr(*command, "--out", tmp_path / "two").code == 0
    assert [path.stat().st_mtime_ns for path in kept] == times


def test_a_student_learns_from_a_teacher(mapsr: Mapsr, photos: Path, tiny_model: Path, tmp_path: Path) -> None:
    """All of the target is the teacher's: the student, which begins at A⁺x, comes nearer to it."""
    common = ["--data", photos, "--log", "csv", *SMALL]
    common += ["--set", f"teacher.weights={tiny_model}", "--set", "teacher.patches=12", "--set", "teacher.share=1"]
    done = mapsr("train", "affmse", "--out", tmp_path / "whole", "--steps", 40, *common)
    assert done.code == 0, done.stderr
    losses = [float(value) for _, name, value in read_metrics(tmp_path / "whole") if name == "loss"]
    assert losses[-1] < 0.8 * losses[0]
    (folder,) = (tmp_path / "lessons").iterdir()
    assert len(list(folder.iterdir())) == 6
    parts = tmp_path / "parts"
    assert mapsr("train", "affmse", "--out", parts, "--steps", 20, *common).code == 0
    assert mapsr("train", "affmse", "--out", parts, "--resume", "--steps", 40, "--log", "csv").code == 0
    assert list((tmp_path / "lessons").iterdir()) == [folder]
    lost = mapsr("train", "affmse", "--out", tmp_path / "no", "--steps", 1, *common, "--set", "teacher.weights=nobody")
    assert (lost.code, "no model" in lost.stderr) == (1, True), lost.stderr


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bits(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    """`kill -9` somewhere after a checkpoint, then --resume: the weights of a run that nobody disturbed."""
    common = ["--data", photos, "--steps", 400, "--log", "csv", *SMALL]
    common += ["--set", "loop.checkpoint_minutes=0.002", "--set", "loop.log_steps=1"]
    assert mapsr("train", "affmse", "--out", tmp_path / "whole", *common).code == 0
    killed = tmp_path / "killed"
    command = [sys.executable, "-m", "mapsr_cli", "train", "affmse", "--out", killed, *common]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}  # sums are split by threads: as many as in this process
    process = subprocess.Popen(
        [str(word) for word in command], stderr=subprocess.DEVNULL, env=environment, preexec_fn=default_signals
    )
    deadline = time.monotonic() + 60
    while not (killed / "checkpoint.safetensors").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.kill()
    process.wait()
    reached = load_state(killed / "checkpoint.safetensors")["step"]
    assert 0 < reached < 400
    done = mapsr("train", "affmse", "--out", killed, "--resume", "--log", "csv", "--device", "cpu")
    assert done.code == 0, done.stderr
    ours, theirs = (load_state(tmp_path / name / "checkpoint.safetensors") for name in ("killed", "whole"))
    for part in ("players", "average"):
        assert flat(ours[part]).keys() == flat(theirs[part]).keys()
        assert all(torch.equal(value, flat(theirs[part])[key]) for key, value in flat(ours[part]).items())
    assert [row[:2] for row in read_metrics(killed)] == [row[:2] for row in read_metrics(tmp_path / "whole")]


def test_weights_to_start_from_bring_their_network_along(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    brief = ["--data", photos, "--log", "csv", "--steps", 1, "--patch", 16, "--batch", 2, "--device", "cpu"]
    assert mapsr("train", "affmse", "--out", tmp_path / "first", *brief, *SMALL, "--noise-dim", 2).code == 0
    start = tmp_path / "first" / "weights.safetensors"
    done = mapsr("train", "affmse", "--out", tmp_path / "second", "--init", start, *brief, "--noise-dim", 3)
    assert done.code == 0, done.stderr
    config = load_model(tmp_path / "second" / "weights.safetensors").card.config
    assert (config["channels"], config["blocks"], config["noise_dim"]) == (8, 1, 3)
    other = mapsr("train", "affmse", "--preset", "grass", "--out", tmp_path / "third", "--init", start, *brief)
    assert other.code == 2
    assert "its network is not this run's" in other.stderr


def test_a_run_killed_before_its_first_checkpoint_starts_from_its_init_again(
    mapsr: Mapsr, photos: Path, tmp_path: Path
) -> None:
    common = ["--data", photos, "--log", "csv", "--steps", 3, *SMALL]
    assert mapsr("train", "affmse", "--out", tmp_path / "first", *common, "--set", "loop.seed=7").code == 0
    start, run = tmp_path / "first" / "weights.safetensors", tmp_path / "run"
    assert mapsr("train", "affmse", "--out", run, "--init", start, *common).code == 0
    expected = flat(load_state(run / "checkpoint.safetensors")["players"])
    assert mapsr("train", "affmse", "--out", run, "--resume", "--init", start).code == 2
    for file in run.iterdir():
        if file.name != "recipe.json":
            file.unlink()
    assert mapsr("train", "affmse", "--out", run, "--resume", "--log", "csv", "--device", "cpu").code == 0
    found = flat(load_state(run / "checkpoint.safetensors")["players"])
    assert len(expected) > 0
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def flat(tree: Any, at: str = "") -> dict[str, torch.Tensor]:
    """Every tensor of a state, by its path."""
    if isinstance(tree, torch.Tensor):
        return {at: tree}
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list | tuple) else ()
    return {name: value for key, item in items for name, value in flat(item, f"{at}/{key}").items()}


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_go_on(photos: Path, tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "mapsr_cli",
        "train",
        "affmse",
        "--data",
        str(photos),
        "--out",
        str(tmp_path / "run"),
    ]
    command += ["--minutes", "5", "--log", "csv", "--set", "loop.log_steps=1", "--precision", "bf16", *SMALL]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment, preexec_fn=default_signals)
    metrics = tmp_path / "run" / "metrics.csv"
    deadline = time.monotonic() + 60
    while not (metrics.exists() and metrics.stat().st_size > 100) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130
    again = f"mapsr train affmse --out {tmp_path / 'run'} --resume --device cpu --precision bf16 --log csv"
    assert re.search(rf"stopped and saved at step \d+; go on with: {again}$", " ".join(said.split()))
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()


def test_snapshots_of_a_generator_bring_their_fitted_projection(mapsr: Mapsr, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    wish = ["--projection", "random-trainable", "--set", "loop.snapshots=2", "--steps", 4, "--log", "csv"]
    done = mapsr("train", "affmse", "--data", photos, "--out", run, *wish, *SMALL)
    assert done.code == 0, done.stderr
    early, late = (run / "snapshots" / f"{number:03d}.safetensors" for number in (0, 1))
    assert load_model(early).card.training["steps"] == 2
    a, b, last = (load_model(path).pinv for path in (early, late, run / "weights.safetensors"))
    assert a is not None
    assert b is not None
    assert last is not None
    assert not torch.equal(a, b)
    assert torch.equal(b, last)
    assert find_here(str(run)) == run / "weights.safetensors"  # the run's folder still names its model
