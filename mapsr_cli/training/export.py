"""What a run writes for others: the weights that people use, and snapshots along it."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from mapsr_cli import __version__
from mapsr_cli.networks import Estimator, architecture_of
from mapsr_cli.training.recipe import Recipe
from mapsr_cli.training.run import Run
from mapsr_cli.zoo import model_of, save_model
from mapsr_cli.zoo.prior import PriorCard, save_prior

WEIGHTS, BEST = "weights.safetensors", "best/weights.safetensors"
SNAPSHOTS = "snapshots"


def export(recipe: Recipe, run: Run, path: Path, metrics: Mapping[str, float]) -> None:
    """Write the run's averaged weights: a model for `mapsr upscale -m`, with the A⁺ that it learnt, or a prior."""
    path.parent.mkdir(parents=True, exist_ok=True)
    training = {
        "data": Path(recipe.location).name,
        "steps": run.step,
        "minutes": round(run.seconds / 60, 1),
        "settings": recipe.published(),
    }
    if recipe.is_prior:
        config, level = recipe[recipe.method], run.learner.level(run.progress)
        card = PriorCard(architecture_of(config), asdict(config), level, training, __version__)
        save_prior(path, run.result, card)
        return
    estimator = run.result
    assert isinstance(estimator, Estimator)
    fields = {"method": recipe.method, "training": training, "metrics": dict(metrics), "version": __version__}
    model = model_of(estimator, run.folder.name, **fields)
    save_model(path, model.network, model.card, pinv=model.pinv)


def export_snapshot(recipe: Recipe, run: Run, number: int) -> None:
    """Write the weights as they are along the run: snapshots/000.safetensors, 001, …"""
    export(recipe, run, run.folder / SNAPSHOTS / f"{number:03d}.safetensors", {})
