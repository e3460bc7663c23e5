"""From a recipe to a run: networks, constraint, criterion, data, device."""

import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from mapsr_cli import __version__
from mapsr_cli.criteria.base import Learner
from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.criteria.resolver import SuperResolver
from mapsr_cli.criteria.snapshots import Snapshots
from mapsr_cli.errors import UsageError
from mapsr_cli.networks import Constraint, Estimator, architecture_of, build, make_constraint, noise_dim_of
from mapsr_cli.operators import Kernel, random_kernels, solve_pinv
from mapsr_cli.training.data import Data, open_data, open_lessons, orientations
from mapsr_cli.training.engine import Engine
from mapsr_cli.training.recipe import ConstraintConfig, Recipe, criterion_config
from mapsr_cli.training.run import Run
from mapsr_cli.zoo import load_model, load_pinv, model_of, save_model
from mapsr_cli.zoo.prior import PriorCard, load_prior, save_prior

WEIGHTS = "weights.safetensors"
SNAPSHOTS = "snapshots"
NOISE_AT_FIRST = 0.1
"""Weights of the noise in a network that starts from a deterministic one, as a share of fresh ones."""
LETTING_GO = 1.0
"""Seconds; what has to be done in them takes microseconds on a processor that is free."""
PRECISIONS = {"auto": "no", "fp32": "no", "bf16": "bf16", "fp16": "fp16"}


def make_accelerator(device: str, precision: str) -> Accelerator:
    """Device, processes and mixed precision; `accelerate launch` decides what is left at `auto`."""
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision '{precision}'", f"known: {', '.join(PRECISIONS)}")
    kind = device.partition(":")[0]
    available = {"auto": True, "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(kind, False):
        raise UsageError(f"no device '{device}' here", "known: auto, cpu, cuda, cuda:N, mps")
    if device != "auto":
        os.environ["ACCELERATE_TORCH_DEVICE"] = device
    mixed = os.environ.get("ACCELERATE_MIXED_PRECISION", "no") if precision == "auto" else PRECISIONS[precision]
    return Accelerator(cpu=kind == "cpu", mixed_precision=mixed)


def leave(accelerator: Accelerator) -> None:
    """Before this process ends, in all processes: take down what joins them.

    gloo's threads need Python's lock to let go of the tensors that were sent last. A process that ends meanwhile is
    aborted (pytorch issue 190489), and one that takes the group down holds the lock while it waits for them. Nothing
    tells when they are done, so they get a moment in which nobody holds it.
    """
    if accelerator.num_processes > 1:
        accelerator.wait_for_everyone()
        time.sleep(LETTING_GO)
        accelerator.end_training()


def make_learner(recipe: Recipe, snapshots: Snapshots | None = None, init: Path | None = None) -> Learner:
    """What the recipe trains, freshly initialised from its seed, or from the weights in `init`."""
    torch.manual_seed(recipe.loop.seed)
    if recipe.method in PRIORS:
        prior = build(recipe[recipe.method])
        if init is not None:
            _start_from(prior, load_prior(init).network, init)
        return PRIORS[recipe.method](criterion_config(recipe), prior)
    row = METHODS[recipe.method]
    generator = build(recipe["generator"])
    if init is not None:
        _start_from(generator, load_model(init).network, init)
    judge = build(recipe["discriminator"]) if row.criterion.needs == "discriminator" else snapshots
    estimator = Estimator(generator, constraint_of(recipe))
    criterion = row.criterion(criterion_config(recipe), judge)
    return SuperResolver(estimator, criterion, recipe["kernel"].rounded)


def _start_from(network: nn.Module, given: nn.Module, path: Path) -> None:
    """Take the weights of `given`; for the noise that a deterministic one lacks, a stochastic network keeps its own.

    Those are made small: what was learnt, batch statistics included, is of images that vary less than the noise.
    """
    own, found = network.state_dict(), given.state_dict()
    noise = noise_dim_of(network) - noise_dim_of(given)
    for name, value in own.items():
        if noise > 0 and value.dim() == 4 and name in found and value[:, :-noise].shape == found[name].shape:
            # Noise comes last, see `with_noise`.
            found[name] = torch.cat([found[name], NOISE_AT_FIRST * value[:, -noise:]], dim=1)
    try:
        network.load_state_dict(found)
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
    return make_constraint(
        kind,
        kernel,
        weight=config.weight,
        pinv=_kernels(config, kernel) if learnt else None,
        trainable=config.projection.endswith("-trainable"),
    )


def _kernels(config: ConstraintConfig, kernel: Kernel) -> Tensor:
    """B's kernels at first, [scale², taps, taps]: random, of a file, or the least-squares solution for A."""
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
    location: str,
    learner: Learner,
    accelerator: Accelerator,
    lessons: Path | None = None,
) -> tuple[Run, Data]:
    """A run in `folder`, where it stopped if it was there before, fed from `location`, or from a folder of lessons."""
    engine = Engine(recipe.loop, accelerator)
    run = Run(folder, learner, engine, recipe.loop)
    run.resume()
    parts = recipe.loop.accumulate
    if recipe["data"].batch % parts:
        raise UsageError(f"a batch of {recipe['data'].batch} cannot be split into {parts} parts")
    config = replace(recipe["data"], batch=recipe["data"].batch // parts)
    place = accelerator.process_index, accelerator.num_processes
    if lessons is None:
        data = open_data(location, config, *place)
    else:
        views = orientations(config, recipe["kernel"].make())
        data = open_lessons(lessons, recipe["teacher"].share, config, views, *place)
    engine.feed(data.batches(engine.drawn))
    return run, data


def export(
    recipe: Recipe, location: str, result: nn.Module, run: Run, metrics: Mapping[str, float], path: Path
) -> None:
    """Write averaged weights: a model for `mapsr upscale -m`, with the A⁺ that it learnt, or a prior."""
    training = {
        "data": Path(location).name,
        "steps": run.step,
        "minutes": round(run.seconds / 60, 1),
        "settings": recipe.to_told(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    if recipe.method in PRIORS:
        save_prior(path, result, prior_card(recipe, run.learner.level(run.progress), training))
        return
    assert isinstance(result, Estimator)
    told = {"method": recipe.method, "training": training, "metrics": dict(metrics), "version": __version__}
    model = model_of(result, run.folder.name, **told)
    save_model(path, model.network, model.card, pinv=model.pinv)


def snapshot_keeper(recipe: Recipe, location: str, run: Run) -> Callable[[nn.Module, int, float], None]:
    """Keeps what is exported, as it is along the run: snapshots/000.safetensors, 001, …"""

    def keep(result: nn.Module, number: int, level: float) -> None:
        export(recipe, location, result, run, {}, run.folder / SNAPSHOTS / f"{number:03d}.safetensors")

    return keep


def prior_card(recipe: Recipe, level: float, training: dict[str, object]) -> PriorCard:
    """What a prior's checkpoint says."""
    config = recipe[recipe.method]
    return PriorCard(architecture_of(config), asdict(config), level, training, __version__)
