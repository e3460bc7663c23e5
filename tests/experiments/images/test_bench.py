"""Rows are trained once: resumed if interrupted, used if done, refused if they are something else."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mapsr_cli.errors import UsageError
from mapsr_cli.experiments.images.bench import Bench, benches
from mapsr_cli.experiments.images.faces import FACES, PROJECTIONS
from mapsr_cli.experiments.images.grass import GRASS
from mapsr_cli.experiments.images.natural import NATURAL
from mapsr_cli.experiments.images.rows import Row, Trainings
from mapsr_cli.experiments.order import Order
from mapsr_cli.training.loop import Status
from mapsr_cli.training.recipe import make_recipe
from mapsr_cli.training.settings import merge
from mapsr_cli.zoo import load_model

Orders = Callable[..., Order]


class Stopped(Exception):  # noqa: N818
    """As if the power went."""


def never(name: str, status: Status) -> None:
    raise Stopped


def test_a_row_is_trained_once_and_goes_on_where_it_stopped(order: Orders, tmp_path: Path) -> None:
    seen: list[int] = []

    def watch(name: str, status: Status) -> None:
        seen.append(status.step)
        if len(seen) == 2:
            raise Stopped

    stopped = Bench(FACES, order(out=tmp_path / "parts", watch=watch))
    with pytest.raises(Stopped):
        stopped.train("affmse")
    for name in ("parts", "whole"):
        Bench(FACES, order(out=tmp_path / name, watch=watch)).train("affmse")
    assert seen == [1, 2, 1, 2, 3, 4, 1, 2, 3, 4]  # nothing was saved before the stop
    parts, whole = (
        load_model(tmp_path / name / "runs" / "affmse" / "weights.safetensors").network.state_dict()
        for name in ("parts", "whole")
    )
    assert all(torch.equal(parts[key], whole[key]) for key in whole)
    Bench(FACES, order(out=tmp_path / "whole", watch=watch)).train("affmse")
    assert len(seen) == 10


def test_what_it_starts_from_and_what_it_follows_come_first(order: Orders) -> None:
    trained: list[str] = []

    def watch(name: str, status: Status) -> None:
        if name not in trained:
            trained.append(name)

    Bench(FACES, order(watch=watch)).train("softgan")
    Bench(GRASS, order(watch=watch, out=order().out / "grass")).train("affdg")
    assert trained == ["mse", "softgan", "denoiser", "affdg"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"criterion": {"rate": 0.5}}, "criterion.rate is 0.5, not 0.001"),
        ({"loop": {"steps": 5}}, "loop.steps is 5, not 4"),
        ({}, "holds a training on elsewhere/train.tar"),
    ],
)
def test_another_training_in_its_place_is_refused(
    order: Orders, change: dict[str, dict[str, float]], complaint: str
) -> None:
    bench = Bench(FACES, order())
    recipe, folder = bench.recipe("affmse"), bench.runs / "affmse"
    settings = merge(recipe.settings, change)
    folder.mkdir(parents=True)
    make_recipe(recipe.method, recipe.preset, settings, "elsewhere/train.tar").write(folder)
    with pytest.raises(UsageError, match=complaint):
        bench.train("affmse")


def test_images_left_out_are_not_trained_on(order: Orders, data: Path) -> None:
    first, *others = sorted((data / "grass" / "train").iterdir())
    part = replace(GRASS, rows={"affmse": Row("affmse", without=(first.name,))})
    Bench(part, order()).train("affmse")
    bench = Bench(part, order(watch=never))
    bench.train("affmse")  # done already
    assert Path(bench.recipe("affmse").location).read_text().splitlines() == [str(p.resolve()) for p in others]
    with pytest.raises(UsageError, match=r"holds a training on .*affmse\.txt, not on grass/train"):
        Bench(GRASS, order(watch=never)).train("affmse")


@pytest.mark.parametrize(
    "trainings", [FACES, PROJECTIONS, GRASS, NATURAL], ids=["faces", "projections", "grass", "natural"]
)
@pytest.mark.parametrize("budget", ["smoke", "cpu", "paper"])
def test_every_row_is_a_recipe(trainings: Trainings, budget: str) -> None:
    rows = trainings.rows_of(budget)
    for name, row in rows.items():
        recipe = trainings.recipe(name, budget, 3, Path("runs"))
        assert recipe.loop.seed == recipe["data"].seed == 3
        assert recipe.loop.steps == trainings.lengths[budget].steps[row.method]
        for before in (row.init, row.prior):
            assert before is None or before in rows
        if row.init is not None:
            begun = trainings.recipe(row.init, budget, 3, Path("runs"))
            assert begun["generator"].widths == recipe["generator"].widths


def test_the_papers_budget_has_the_papers_networks() -> None:
    for trainings, preset in ((FACES, "faces"), (GRASS, "grass"), (NATURAL, "natural")):
        recipe = trainings.recipe("affgan", "paper", 0, Path("runs"))
        printed = make_recipe("affgan", preset, {})
        for section in ("generator", "discriminator", "kernel"):
            assert recipe[section] == printed[section]


def test_compared_rows_are_trained_equally_long() -> None:
    steps = FACES.lengths["cpu"].steps
    assert steps["mse"] == steps["affmse"]
    assert len(set(PROJECTIONS.lengths["cpu"].steps.values())) == 1
    assert steps["softgan"] == steps["affgan"]


def test_trials_are_of_other_seeds_and_in_other_folders(order: Orders) -> None:
    first, second = benches(GRASS, order(trials=2, seed=7))
    assert first.runs.name == "runs"
    assert (second.recipe("affmse").loop.seed, second.recipe("affmse")["data"].seed) == (8, 8)
    assert second.recipe("affdg")["prior"].run == str(second.runs / "denoiser") != first.recipe("affdg")["prior"].run


def test_trainings_are_cut_to_the_steps_that_were_asked_for(order: Orders) -> None:
    for budget in ("cpu", "paper"):
        bench = Bench(GRASS, order(budget=budget, steps=3))
        assert {bench.recipe(name).loop.steps for name in bench.rows} == {3}
