"""Makes a run of a recipe: networks, constraint, criterion, data."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from mapsr_cli.criteria.base import Learner
from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.criteria.resolver import SuperResolver
from mapsr_cli.criteria.snapshots import Snapshots
from mapsr_cli.criteria.terms import with_terms
from mapsr_cli.errors import UsageError
from mapsr_cli.networks import (
    Constraint,
    Estimator,
    Named,
    Restoring,
    build,
    make_constraint,
    noise_dim_of,
    told_of,
)
from mapsr_cli.networks.restoring import TAPS
from mapsr_cli.operators import Kernel, random_kernels, solve_pinv
from mapsr_cli.training.data import Data, open_data, open_estimates, open_lessons, open_pairs
from mapsr_cli.training.engine import Engine
from mapsr_cli.training.recipe import Recipe
from mapsr_cli.training.run import Run, checkpoints
from mapsr_cli.training.sections import ConstraintConfig
from mapsr_cli.zoo import load_model, load_pinv
from mapsr_cli.zoo.prior import load_prior

Tell = Callable[[str], None]
"""Takes remarks of one line for the user."""
warn: Tell = logging.getLogger("mapsr").warning
NOISE_AT_FIRST = 0.1
"""Factor of the noise's random weights in a network that starts from a deterministic one."""


def make_learner(recipe: Recipe, snapshots: Snapshots | None = None) -> Learner:
    """Make what the recipe trains, freshly initialised from its seed or from its `init` weights.

    `snapshots`: the prior that a guided method follows. Raises UsageError for `init` weights of another network.
    """
    init = recipe.init
    torch.manual_seed(recipe.loop.seed)
    if recipe.method in PRIORS:
        prior = build(recipe[recipe.method])
        if init is not None:
            _start_from(prior, load_prior(init).network, init)
        return PRIORS[recipe.method](recipe.criterion, prior)
    row = METHODS[recipe.method]
    generator = build(recipe["generator"])
    if isinstance(generator, Named):
        generator.check()
    if isinstance(generator, Restoring):
        generator.start_lift(solve_pinv(recipe["kernel"].make(), TAPS).kernels)
    if init is not None:
        _start_from(generator, load_model(init).network, init)
    judge = build(recipe["discriminator"]) if row.criterion.needs == "discriminator" else snapshots
    estimator = Estimator(generator, constraint_of(recipe))
    criterion = with_terms(row.criterion(recipe["criterion"], judge))
    return SuperResolver(estimator, criterion, recipe["kernel"].rounded)


def _start_from(network: nn.Module, source: nn.Module, path: Path) -> None:
    """Copy the weights of `source`; where it takes fewer noise maps, the weights of the others stay random, and small.

    Large ones would disturb what was learnt, batch statistics included, from inputs without noise. What it was not told
    has no weight at first. A `Restoring` may begin with its trunk alone.
    """
    if isinstance(network, Restoring) and not isinstance(source, Restoring):
        network = network.trunk
    own, weights = network.state_dict(), source.state_dict()
    noise, told = noise_dim_of(network) - noise_dim_of(source), told_of(network) - told_of(source)
    for name, value in own.items():
        learnt = weights.get(name)
        if learnt is None or value.dim() != 4 or min(noise, told) < 0:
            continue
        if learnt.shape == (len(value), value.shape[1] - noise - told, *value.shape[2:]):
            # What it is told comes after the image, noise last: see `with_told` and `with_noise`.
            image, maps = learnt.tensor_split([learnt.shape[1] - noise_dim_of(source)], dim=1)
            unheard, fresh = torch.zeros_like(value[:, :told]), NOISE_AT_FIRST * value[:, value.shape[1] - noise :]
            weights[name] = torch.cat([image, unheard, maps, fresh], dim=1)
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise UsageError(
            f"--init {path}: its network is not this run's", "give the same preset and generator settings"
        ) from error


def constraint_of(recipe: Recipe) -> Constraint:
    """Make the recipe's constraint."""
    kernel: Kernel = recipe["kernel"].make()
    kind = METHODS[recipe.method].constraint
    config = recipe.sections.get("constraint", ConstraintConfig())
    learnt = kind == "affine" and config.projection != "exact"
    constraint = make_constraint(
        kind,
        kernel,
        weight=config.weight,
        pinv=_kernels(config, kernel) if learnt else None,
        trainable=config.projection.endswith("-trainable"),
        guess="detail" if getattr(recipe["generator"], "told", 0) else "original",
    )
    if kind == "affine" and not learnt:
        constraint.fixed = recipe["data"].patch
    return constraint


def _kernels(config: ConstraintConfig, kernel: Kernel) -> Tensor:
    """Return B's kernels at first, [scale², taps, taps]: random, of a file, or the least-squares solution for A."""
    if config.projection.startswith("random"):
        return random_kernels(kernel.scale, config.taps)
    if config.pinv is None:
        return solve_pinv(kernel, config.taps).kernels
    pinv, inverted = load_pinv(Path(config.pinv))
    if inverted != kernel:
        raise UsageError(
            f"--pinv {config.pinv} inverts {inverted.describe()}, not this run's {kernel.describe()}",
            "fit-pinv makes one for it; or name none",
        )
    return pinv.kernels


def open_run(
    recipe: Recipe,
    folder: Path,
    accelerator: Accelerator,
    snapshots: Snapshots | None = None,
    lessons: Path | None = None,
    compiled: bool = False,
    tell: Tell = warn,
) -> Run:
    """Open the run in `folder`, where it stopped if it was there before; it draws from the recipe's data.

    `snapshots`: the prior that it follows; `lessons`: a folder of a teacher's, which it then draws from;
    `tell` is called where it cannot go on from its last checkpoint. Raises CheckpointError where it cannot from any.
    """
    learner = make_learner(replace(recipe, init=None) if checkpoints(folder) else recipe, snapshots)
    if compiled:
        for _, player in learner.players():
            player.bare.compile()
    run = Run(folder, learner, Engine(recipe.loop, accelerator), recipe.loop)
    run.resume()
    if run.damage and accelerator.is_main_process:
        tell(f"{run.damage}: the run goes on from the checkpoint before it, at step {run.step}")
    run.feed(_open_data(recipe, accelerator, lessons))
    return run


def _open_data(recipe: Recipe, accelerator: Accelerator, lessons: Path | None) -> Data:
    """Open the data of a run, in parts of batches where gradients accumulate."""
    parts, config = recipe.loop.accumulate, recipe["data"]
    if config.batch % parts:
        raise UsageError(f"a batch of {config.batch} cannot be split into {parts} parts")
    config = replace(config, batch=config.batch // parts)
    kernel = recipe["kernel"].make() if "kernel" in recipe.sections else None
    place = accelerator.process_index, accelerator.num_processes
    told = bool(getattr(recipe.sections.get("generator"), "told", 0))
    if config.pairs is not None and kernel is not None:
        if recipe.teacher is not None or recipe["kernel"].rounded:
            raise UsageError("pairs bring their own small pictures", "leave out teacher.… and kernel.rounded")
        return open_pairs(recipe.location, Path(config.pairs), config, kernel, *place)
    if lessons is not None and kernel is not None:
        return open_lessons(lessons, recipe["teacher"].share, config, kernel, *place, evidence=told)
    teacher = recipe.teacher
    if teacher is not None and teacher.estimates is not None and kernel is not None:
        folder, rounded = Path(teacher.estimates), recipe["kernel"].rounded
        return open_estimates(recipe.location, folder, teacher.share, config, kernel, rounded, *place)
    if not recipe.location:
        raise UsageError("no data to train on", "--data takes a folder of images, a list file or tar shards")
    return open_data(recipe.location, config, *place, kernel, told)
