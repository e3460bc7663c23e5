"""`mapsr reproduce` from end to end, at the size of a test."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mapsr_cli.experiments import parallel
from mapsr_cli.experiments.images.bench import Bench
from mapsr_cli.experiments.images.grass import GRASS
from mapsr_cli.experiments.order import Order
from mapsr_cli.experiments.registry import EXPERIMENTS
from mapsr_cli.experiments.swissroll.table1 import BUDGETS, PAPER, ROWS, Examination
from mapsr_cli.training.loop import Status
from tests.cli.conftest import Mapsr
from tests.experiments.images.sets import image_sets
from tests.experiments.swissroll.test_recipe import TINY, small_test


@pytest.mark.slow
def test_the_command(mapsr: Mapsr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BUDGETS, "smoke", TINY)
    monkeypatch.setattr(parallel, "cores", lambda: 1)  # other processes would know nothing of these patches
    monkeypatch.setattr(Examination, "make", classmethod(lambda cls, tested=20: small_test()))
    done = mapsr("reproduce", "table1", "--budget", "smoke", "--trials", 2, "--out", tmp_path, "--json")
    assert done.code == 0, done.stderr
    assert done.json["rows"].keys() == ROWS.keys()
    page = (tmp_path / "table1.md").read_text()
    assert all(f"{h:.2f}" in page for h, _ in PAPER.values())
    drawn = mapsr("reproduce", "fig1", "--budget", "smoke", "--out", tmp_path)
    assert drawn.code == 0, drawn.stderr
    with Image.open(tmp_path / "fig1.png") as image:
        assert image.width > 1000
    noise = mapsr("reproduce", "fig6", "--budget", "smoke", "--trials", 2, "--out", tmp_path, "--json")
    assert noise.code == 0, noise.stderr
    assert all(len(history) == 2 and len(history[0]) == 2 for history in noise.json["h"].values())
    assert (tmp_path / "fig6.png").exists()
    assert (tmp_path / "fig1.svg").read_text().startswith("<?xml")


def test_a_run_of_mapsr_train_with_the_same_recipe_is_taken(mapsr: Mapsr, tmp_path: Path) -> None:
    def never(name: str, status: Status) -> None:
        raise AssertionError(name)

    data = image_sets(tmp_path / "sets")
    bench = Bench(GRASS, Order(tmp_path, data, "smoke", 1, 0, never))
    images = tmp_path / "affgan-nonoise.txt"  # the row leaves some out
    images.write_text("".join(f"{path}\n" for path in sorted((data / "grass" / "train").iterdir())))
    command = ["train", "affgan", "--preset", "grass", "--data", images, "--steps", 2]
    command += ["--batch", 2, "--patch", 32, "--out", tmp_path / "runs" / "affgan-nonoise", "--log", "csv"]
    settings = ["criterion.noise=none", "criterion.noise_start=0.1", "criterion.noise_end=0.08", "criterion.rate=3e-4"]
    settings += ["criterion.discriminator_rate=6e-4", "criterion.discriminator_steps=2", "criterion.shift=8"]
    settings += ["data.tint=0.05", "data.desaturate=1", "data.gamma=2", "data.contrast=1.25"]
    settings += ["loop.final_rate=0.02", "loop.average=0.998", "generator.widths=[8, 8]", "discriminator.widths=[8, 8]"]
    settings += ["discriminator.strides=[2, 2]", "data.workers=0", "data.shuffle=16"]
    settings += ["loop.snapshots=2", "loop.warmup=1", "loop.log_steps=1"]
    done = mapsr(*command, *(word for setting in settings for word in ("--set", setting)))
    assert done.code == 0, done.stderr
    bench.train("affgan-nonoise")
    assert [step for step, _ in bench.moments("affgan-nonoise")] == [1, 2]


@pytest.mark.parametrize(("name", "said"), [("fig6", "begins again"), ("table1", "goes on with what was saved")])
def test_interrupted(name: str, said: str, mapsr: Mapsr, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(order: Order) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setitem(EXPERIMENTS, name, replace(EXPERIMENTS[name], run=interrupt))
    done = mapsr("reproduce", name, "--out", tmp_path)
    assert done.code == 130
    assert f"stopped; the same command {said}" in done.stderr


def test_images_must_be_named(mapsr: Mapsr, tmp_path: Path) -> None:
    done = mapsr("reproduce", "fig5", "--budget", "smoke", "--out", tmp_path)
    assert done.code == 2
    assert "needs images: eval/BSD100" in done.stderr
