"""`mapsr reproduce table1`, `fig1` and `fig6`: run, write numbers, page and pictures."""

import json
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.experiments.order import NamedWatch, Order
from mapsr_cli.experiments.parallel import run_all
from mapsr_cli.experiments.swissroll import fig1, fig6
from mapsr_cli.experiments.swissroll.page import table_page
from mapsr_cli.experiments.swissroll.table1 import (
    PAPER,
    ROWS,
    Examination,
    Priors,
    StepCounts,
    TrialScores,
    length_of,
    run_row,
    score,
)
from mapsr_cli.experiments.swissroll.trials import denoiser_score, estimates
from mapsr_cli.files import write_bytes

Curve = np.ndarray[Any, np.dtype[np.float32]]
"""A trial's ŷ [801, 2], as it comes from another process."""
CURVES = "curves.safetensors"
SHOWN = ("mse", "mae", "affgan", "softgan", "affdg", "softdg", "affll")
"""Rows that Figure 1 draws."""


def table1(order: Order) -> dict[str, Any]:
    """Train every row, `trials` side by side; write table1.json, table1.md and the first trial's curves."""
    out = order.out
    test = Examination.make()
    entropy, median, _ = score(test.density, test.x, test.map)
    trained = _train_all(ROWS, test, order, order.trials)
    results = {**_asked(order), "map": {"h": entropy, "median": median}}
    results["rows"] = {name: trained[name][0].to_json(entropy) for name in ROWS}
    results["paper"] = {name: {"h": h, "consistency_mse": mse} for name, (h, mse) in PAPER.items()}
    _keep({name: curve for name, (_, curve) in trained.items()}, order)
    _write(out / "table1.json", json.dumps(results, indent=2) + "\n")
    _write(out / "table1.md", table_page(results))
    return {**results, "files": [str(out / "table1.md"), str(out / "table1.json")]}


def figure1(order: Order) -> dict[str, Any]:
    """Draw fig1.png and fig1.svg; curves of a like table1 in the same folder are used, others trained."""
    out = order.out
    test = Examination.make(1)
    stored = _kept(order)
    trained = _train_all([name for name in SHOWN if name not in stored], test, order, 1)
    curves = {**stored, **{name: curve for name, (_, curve) in trained.items()}}
    _keep(curves, order)
    at = fig1.score_places()
    field = denoiser_score(at, length_of(order).denoiser, order.seed, partial(order.watch, "denoiser"))
    paths = fig1.draw(out, test.density, {name: curves[name] for name in SHOWN}, field)
    return {"budget": order.budget, "seed": order.seed, "files": [str(path) for path in paths]}


def figure6(order: Order) -> dict[str, Any]:
    """Train AffGAN with every kind of noise; write fig6.json, fig6.png and fig6.svg."""
    out = order.out
    bench, length = Examination.make(200), length_of(order)
    floor, _, _ = score(bench.density, bench.x, bench.map)
    asked = bench, length, order.trials, order.seed
    variants = run_all([partial(fig6.run_variant, name, *asked) for name in fig6.VARIANTS], order.watch)
    histories = dict(zip(fig6.VARIANTS, variants, strict=True))
    results = {**_asked(order), "map": {"h": floor}, "h": histories}
    _write(out / "fig6.json", json.dumps(results, indent=2) + "\n")
    path = fig6.draw(out, histories, length.gan, floor)
    return {**results, "files": [str(path), str(path.with_suffix(".svg")), str(out / "fig6.json")]}


def _train_all(
    names: Iterable[str], test: Examination, order: Order, trials: int
) -> dict[str, tuple[TrialScores, Tensor]]:
    """Train rows in parallel processes; return them and their first trials' curves."""
    asked = test, length_of(order), trials, order.seed
    jobs = [partial(_train, some, *asked) for some in _sharing(names)]
    done = run_all(jobs[::-1], order.watch)  # the longest are last in ROWS; what begins last should be short
    return {name: (row, torch.from_numpy(curve)) for part in done for name, (row, curve) in part.items()}


def _sharing(names: Iterable[str]) -> list[list[str]]:
    """Group the rows that follow the same prior; any other is a group by itself."""
    groups: dict[str, list[str]] = {}
    for name in names:
        needs = METHODS[ROWS[name].method].needs
        groups.setdefault(needs if needs in PRIORS else name, []).append(name)
    return list(groups.values())


def _train(
    names: Sequence[str], test: Examination, budget: StepCounts, trials: int, seed: int, watch: NamedWatch
) -> dict[str, tuple[TrialScores, Curve]]:
    """Train one process's rows one after another; return them and their first trials' curves."""
    priors: Priors = {}
    trained: dict[str, tuple[TrialScores, Curve]] = {}
    for name in names:
        row, estimator = run_row(ROWS[name], test, budget, trials, seed, partial(watch, name), priors)
        torch.manual_seed(0)
        trained[name] = row, estimates(estimator, fig1.CURVE, trials)[0].contiguous().numpy()
    return trained


def _keep(curves: dict[str, Tensor], order: Order) -> None:
    """Store the curves for a Figure 1 of the same budget, steps and seed."""
    write_bytes(order.out / CURVES, save(curves, _alike(order)))


def _kept(order: Order) -> dict[str, Tensor]:
    """Load the curves that an experiment of the same budget, steps and seed has stored, by row; none of others."""
    path = order.out / CURVES
    if not path.exists():
        return {}
    with safe_open(path, "pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()} if file.metadata() == _alike(order) else {}  # noqa: SIM118


def _alike(order: Order) -> dict[str, str]:
    return {"budget": order.budget, "steps": str(order.steps or ""), "seed": str(order.seed)}


def _asked(order: Order) -> dict[str, Any]:
    return {"budget": order.budget, "trials": order.trials, "seed": order.seed}


def _write(path: Path, text: str) -> None:
    write_bytes(path, text.encode())
