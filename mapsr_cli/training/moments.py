"""Estimators that a run wrote: at its end, and along it (`loop.snapshots`)."""

from collections.abc import Iterator
from pathlib import Path

from mapsr_cli.errors import CheckpointError
from mapsr_cli.networks import Estimator
from mapsr_cli.training.export import SNAPSHOTS
from mapsr_cli.zoo import load_model
from mapsr_cli.zoo.manifest import model_files, read_card


def read_estimator(path: Path) -> Estimator:
    """Read ŷ = Π f(x) from a model's weights, as it was trained, in eval mode. Raises CheckpointError for others."""
    return load_model(path).estimator().eval().requires_grad_(False)


def moments(folder: Path) -> Iterator[tuple[int, Estimator]]:
    """Yield (step, estimator) of every snapshot that the run in `folder` kept, in order.

    Raises CheckpointError where there is none.
    """
    paths = model_files(folder / SNAPSHOTS)
    if not paths:
        raise CheckpointError(f"{folder}: no snapshots of a training", "--set loop.snapshots=20 keeps them")
    for path in paths:
        yield int(read_card(path).training["steps"]), read_estimator(path)
