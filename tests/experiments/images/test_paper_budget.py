"""Budget `paper` is Appendix D: its settings one by one, and every figure of images to its end in three steps."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from mapsr_cli.experiments.images import faces, grass, natural
from mapsr_cli.experiments.images.rows import Trainings
from mapsr_cli.experiments.order import Order
from mapsr_cli.experiments.registry import EXPERIMENTS
from mapsr_cli.networks import build
from mapsr_cli.training.recipe import Recipe
from mapsr_cli.training.settings import merge

Orders = Callable[..., Order]
PRINTED: dict[str, dict[str, Any]] = {
    "grass": {
        "generator": (32, 32, 64, 64, 128),
        "skip connections after every": 2,
        "discriminator": (32, 64, 128, 256),
        "strides": (2, 2, 2, 2),
        "instance noise": None,
    },
    "faces": {
        "generator": (128, 128, 128, 128, 256, 256, 256, 256, 512, 512, 512, 512),
        "skip connections after every": 4,
        "discriminator": (128, 128, 256, 256, 512, 512, 1024, 1024),
        "strides": (1, 2, 1, 2, 1, 2, 1, 2),
        "instance noise": None,
    },
    "natural": {
        "generator": (128, 128, 128, 128, 256, 256, 256, 256),
        "skip connections after every": 2,
        "discriminator": (128, 128, 256, 256, 512, 512, 1024, 1024),
        "strides": (1, 2, 1, 2, 1, 2, 1, 2),
        "instance noise": ("linear", 0.1, 0.0),
    },
}
"""Appendix D, IMAGE DATA: filter maps, skips, strides; noise "linearly annealed from … 0.1 to 0"."""
ALL = {"grass": grass.GRASS, "faces": faces.FACES, "projections": faces.PROJECTIONS, "natural": natural.NATURAL}


def recipes(name: str) -> dict[str, Recipe]:
    """Every row of budget `paper`."""
    return {row: ALL[name].recipe(row, "paper", 0, Path("runs")) for row in ALL[name].rows_of("paper")}


def normalised(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("name", PRINTED)
def test_networks_and_instance_noise_are_appendix_ds(name: str) -> None:
    printed, recipe = PRINTED[name], recipes(name)["affgan"]
    generator, discriminator, criterion = (recipe[part] for part in ("generator", "discriminator", "criterion"))
    assert generator.widths == printed["generator"]
    assert generator.skip_every == printed["skip connections after every"]
    assert discriminator.widths == printed["discriminator"]
    assert discriminator.strides == printed["strides"]
    assert discriminator.slope == 0.0  # ReLU
    assert not discriminator.local  # one sigmoid
    for config in (generator, discriminator):  # batch normalisation in all layers except the output
        assert normalised(build(config)) == len(config.widths)
    noise = None if criterion.noise == "none" else (criterion.noise, criterion.noise_start, criterion.noise_end)
    assert noise == printed["instance noise"]


@pytest.mark.parametrize("name", ALL)
def test_every_row_has_the_papers_a_and_nothing_of_ours(name: str) -> None:
    trained_here = {"none", "mse", "softgan", "denoiser", "density"}  # no projection
    for row, recipe in recipes(name).items():
        assert recipe.init is None
        assert ALL[name].rows_of("paper")[row].init is None  # from scratch
        assert (recipe.loop.average, recipe.loop.final_rate) == (0.0, 1.0)
        assert not recipe["data"].augment
        assert (recipe["data"].tint, recipe["data"].desaturate, recipe["data"].gamma) == (0.0, 0.0, 1.0)
        assert recipe.criterion.muon_rate == 0.0
        if "kernel" in recipe.sections:
            kernel = recipe["kernel"].make()
            assert (kernel.plane()[0].shape, kernel.scale) == ((9, 9), 4)  # Gaussian 9×9, stride 4
            assert recipe["kernel"].name == "gaussian9"
        if row not in trained_here:
            projection = recipe["constraint"]
            assert projection.projection == (row if name == "projections" else "fitted")
            assert projection.taps == 5  # 4² kernels of 5×5
        if recipe.method in ("affgan", "softgan"):  # eqn (10) alone
            criterion = recipe["criterion"]
            terms = (criterion.content, criterion.perceptual, criterion.frequency, criterion.matching)
            assert (criterion.weight, *terms, criterion.r1, criterion.r2) == (1.0, 0, 0, 0, 0, 0, 0)
            assert not criterion.relativistic
            assert criterion.shift == criterion.label_smoothing == 0
            assert criterion.discriminator_steps == 1
        if recipe.method == "softgan":
            assert recipe["constraint"].weight == 1.0  # ℓ_MAE is added as it is


def test_the_priors_are_appendix_ds() -> None:
    trained = recipes("grass")
    denoiser, density = trained["denoiser"], trained["density"]
    assert denoiser["denoiser"].widths == (128, 128, 128, 128)
    assert normalised(build(denoiser["denoiser"])) == 4
    assert (denoiser["criterion"].sigma_start, denoiser["criterion"].sigma_end) == (0.5, 0.01)
    assert density["density"].kernels == ((7, 7), (5, 5), (5, 5), (5, 5))
    assert density["density"].channels == 64
    assert density["density"].components == 32
    assert density["density"].features == 32


def test_images_have_the_papers_sizes() -> None:
    assert recipes("faces")["mse"]["data"].patch == (64, 64)
    assert recipes("natural")["affgan"]["data"].patch == (128, 128)


def with_a_batch_of_two(trainings: Trainings) -> Trainings:
    """The same but for the batch, which the paper does not give: a sixteenth of the time."""
    length = trainings.lengths["paper"]
    paper = replace(length, settings=merge(length.settings, {"data": {"batch": 2, "workers": 0, "shuffle": 16}}))
    return replace(trainings, lengths={**trainings.lengths, "paper": paper})


@pytest.mark.slow
@pytest.mark.parametrize("name", ["fig2", "table2", "fig4", "fig3", "fig7", "fig5", "fig8"])
def test_a_figure_runs_to_its_end_in_three_steps(
    name: str, order: Orders, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module, rows in ((faces, "FACES"), (faces, "PROJECTIONS"), (grass, "GRASS"), (natural, "NATURAL")):
        monkeypatch.setattr(module, rows, with_a_batch_of_two(getattr(module, rows)))
    monkeypatch.setattr(grass, "SIDE", 64)
    monkeypatch.setattr(grass, "ACROSS", 2)
    monkeypatch.setattr(grass, "ZOOM", 24)
    out = tmp_path_factory.getbasetemp() / f"paper-{EXPERIMENTS[name].folder}"  # shared, as users share it
    out.mkdir(exist_ok=True)
    asked = order(out=out, budget="paper", steps=3)
    told = EXPERIMENTS[name].run(asked)
    assert told["budget"] == "paper"
    assert all(Path(path).exists() for path in told["files"])
    rows = told.get("rows", {})
    trained = [row for some in rows.values() for row in (some if isinstance(some, list) else [some])]
    assert all(row["steps"] == 3 for row in trained if "minutes" in row)
    if name == "fig7":
        assert {len(course) for courses in told["curves"].values() for course in courses} == {3}
