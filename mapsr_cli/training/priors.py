"""The first stage of guided methods: a prior, kept for the next run with the same settings."""

from contextlib import closing
from dataclasses import asdict
from functools import partial
from pathlib import Path

from accelerate import Accelerator

from mapsr_cli.criteria.methods import METHODS
from mapsr_cli.criteria.snapshots import Snapshots, read_snapshots
from mapsr_cli.training.assembly import Tell, open_run
from mapsr_cli.training.export import SNAPSHOTS, export_snapshot
from mapsr_cli.training.kept import kept_folder
from mapsr_cli.training.lock import locked
from mapsr_cli.training.loop import Tasks, Watch, train
from mapsr_cli.training.recipe import Recipe, make_recipe


def prior_recipe(recipe: Recipe) -> Recipe:
    """Return how a guided method's prior is trained: the recipe's network, data and noise levels, its own length."""
    kind = METHODS[recipe.method].criterion.needs
    wanted = recipe["prior"]
    guided = recipe["criterion"]
    shared = {
        name: getattr(guided, name) for name in ("sigma_start", "sigma_end", "annealing") if hasattr(guided, name)
    }
    return make_recipe(
        kind,
        recipe.preset,
        {
            kind: asdict(recipe[kind]),
            "criterion": shared,
            "data": asdict(recipe["data"]),
            "loop": {"steps": wanted.steps, "snapshots": wanted.snapshots, "seed": recipe.loop.seed},
        },
        recipe.location,
    )


def prior_snapshots(recipe: Recipe, runs: Path, accelerator: Accelerator, watch: Watch, tell: Tell) -> Snapshots:
    """Return the snapshots that a guided method follows: of the run it names, or of one trained now in `runs`/priors.

    The folder's name holds a digest of recipe and data, so the next run with the same ones finds it.
    """
    if recipe["prior"].run is not None:
        return read_snapshots(Path(recipe["prior"].run) / SNAPSHOTS)
    own = prior_recipe(recipe)
    settings = {**own.settings, "data": own["data"].decisive()}
    folder = kept_folder(runs / "priors", f"{own.method}-{own.preset}", settings, str(Path(recipe.location).absolute()))
    if len(list((folder / SNAPSHOTS).glob("*.safetensors"))) < own.loop.snapshots:
        with locked(folder, accelerator.is_main_process):
            run = open_run(own, folder, accelerator, tell=tell)
            with closing(run):
                train(run, Tasks(snapshot=partial(export_snapshot, own), watch=watch))
    accelerator.wait_for_everyone()
    return read_snapshots(folder / SNAPSHOTS)
