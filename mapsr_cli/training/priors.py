"""The first stage of guided methods: a prior trained beforehand, kept for whoever asks for the same again."""

from dataclasses import asdict
from pathlib import Path

from accelerate import Accelerator

from mapsr_cli.criteria.methods import METHODS
from mapsr_cli.criteria.snapshots import Snapshots, read_snapshots
from mapsr_cli.training.assembly import SNAPSHOTS, make_learner, open_run, snapshot_keeper
from mapsr_cli.training.kept import kept_folder
from mapsr_cli.training.loop import Tasks, Watch, train
from mapsr_cli.training.recipe import Recipe, make_recipe


def prior_recipe(recipe: Recipe) -> Recipe:
    """How the prior of a guided method's recipe is trained: its network, data and noise levels, its own length."""
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
    )


def prior_snapshots(recipe: Recipe, location: str, runs: Path, accelerator: Accelerator, watch: Watch) -> Snapshots:
    """The snapshots that a guided method follows: of the run it names, or of one trained now, in `runs`/priors.

    The folder's name holds a digest of recipe and data, so the next run with the same ones finds it.
    """
    if recipe["prior"].run is not None:
        return read_snapshots(Path(recipe["prior"].run) / SNAPSHOTS)
    own = prior_recipe(recipe)
    settings = {**own.to_json()["sections"], "data": own["data"].decisive()}
    folder = kept_folder(runs / "priors", f"{own.method}-{own.preset}", settings, str(Path(location).absolute()))
    if len(list((folder / SNAPSHOTS).glob("*.safetensors"))) < own.loop.snapshots:
        run, data = open_run(own, folder, location, make_learner(own), accelerator)
        try:
            train(run, Tasks(snapshot=snapshot_keeper(own, location, run), watch=watch))
        finally:
            data.close()
    accelerator.wait_for_everyone()
    return read_snapshots(folder / SNAPSHOTS)
