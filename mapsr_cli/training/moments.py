"""The estimators that a run wrote: at its end, and at moments along it (`loop.snapshots`)."""

from collections.abc import Iterator
from pathlib import Path

from mapsr_cli.criteria.constraints import Affine, AffineConvolution, Constraint, Unconstrained
from mapsr_cli.criteria.resolver import Estimator
from mapsr_cli.errors import CheckpointError
from mapsr_cli.training.assembly import SNAPSHOTS
from mapsr_cli.zoo import Model, load_model, load_pinv
from mapsr_cli.zoo.manifest import PINV_SUFFIX, model_files


def read_estimator(path: Path) -> Estimator:
    """ŷ = Π(f(x)) from a model's weights, in eval mode, its A⁺ by convolution as it was learnt if one lies beside it.

    Raises CheckpointError for anything else.
    """
    return _estimator(load_model(path), path)


def moments(folder: Path) -> Iterator[tuple[int, Estimator]]:
    """(step, estimator) of every snapshot that the run in `folder` kept, in order.

    Raises CheckpointError where there is none.
    """
    paths = model_files(folder / SNAPSHOTS)
    if not paths:
        raise CheckpointError(f"{folder}: no snapshots of a training", "--set loop.snapshots=20 keeps them")
    for path in paths:
        model = load_model(path)
        yield int(model.card.training["steps"]), _estimator(model, path)


def _estimator(model: Model, path: Path) -> Estimator:
    """Of the model that lies at `path`."""
    return Estimator(model.network, _constraint(model, path.with_suffix(PINV_SUFFIX))).eval().requires_grad_(False)


def _constraint(model: Model, pinv: Path) -> Constraint:
    if model.card.constraint != "affine":  # a soft one is paid for in training alone
        return Unconstrained(model.kernel)
    if not pinv.exists():
        return Affine(model.kernel)
    return AffineConvolution(model.kernel, load_pinv(pinv)[0].kernels, trainable=False)
