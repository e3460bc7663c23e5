"""`mapsr reproduce table1`, `fig1` and `fig6`: run, write numbers, page and pictures."""

import json
from collections.abc import Callable, Iterable, Mapping
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
    Examination,
    MethodRow,
    Priors,
    StepCounts,
    exact_estimators,
    fingerprint,
    length_of,
    rows_of,
    run_row,
    score,
    steps_of,
)
from mapsr_cli.experiments.swissroll.trials import denoiser_score, estimates
from mapsr_cli.files import write_bytes
from mapsr_cli.zoo import strict_json

Curve = np.ndarray[Any, np.dtype[np.float32]]
"""A trial's ŷ [801, 2], as it comes from another process."""
RowFigures = dict[str, Any]
"""A row's figures, as table1.json has them."""
TABLE = "table1.json"
CURVES = "curves.safetensors"
SHOWN = ("mse", "mae", "affgan", "softgan", "affdg", "softdg", "affll")
"""Rows that Figure 1 draws, as far as the budget has them."""


def table1(order: Order) -> dict[str, Any]:
    """Train every row, `trials` side by side; write table1.json, table1.md and the first trial's curves.

    Rows of a table1.json in the same folder are taken from there, where their settings were the same.
    """
    out = order.out
    test = Examination.make()
    entropy, median, _ = score(test.density, test.x, test.map)
    exact = {name: scores.to_json(entropy) for name, scores in exact_estimators(test, order.trials, order.seed).items()}
    entries, found, curves = rows_of(order.budget), _kept_rows(order), _kept(order)

    def results() -> dict[str, Any]:
        rows = {name: found[name] for name in entries if name in found}
        printed = {name: {"h": h, "consistency_mse": mse} for name, (h, mse) in PAPER.items()}
        floor = {"h": entropy, "median": median}
        return {**_asked(order), "map": floor, "exact": exact, "rows": rows, "paper": printed}

    def keep(part: dict[str, tuple[RowFigures, Curve]]) -> None:
        for name, (row, curve) in part.items():
            found[name], curves[name] = row, torch.from_numpy(curve)
        _keep(curves, order)
        _write(out / TABLE, json.dumps(results(), indent=2) + "\n")

    _train_all([name for name in entries if name not in found], test, order, order.trials, keep)
    keep({})
    _write(out / "table1.md", table_page(results()))
    return {**results(), "files": [str(out / "table1.md"), str(out / TABLE)]}


def figure1(order: Order) -> dict[str, Any]:
    """Draw fig1.png and fig1.svg; curves of a like table1 in the same folder are used, others trained."""
    out = order.out
    test = Examination.make(1)
    entries, curves = rows_of(order.budget), _kept(order)
    shown = [name for name in SHOWN if name in entries]

    def keep(part: dict[str, tuple[RowFigures, Curve]]) -> None:
        curves.update({name: torch.from_numpy(curve) for name, (_, curve) in part.items()})
        _keep(curves, order)

    _train_all([name for name in shown if name not in curves], test, order, 1, keep)
    at, steps, guided = fig1.score_places(), length_of(order).denoiser, entries["affdg"].settings
    field = denoiser_score(at, guided, steps, order.seed, partial(order.watch, "denoiser"))
    paths = fig1.draw(out, test.density, {name: curves[name] for name in shown}, field)
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
    names: Iterable[str],
    test: Examination,
    order: Order,
    trials: int,
    keep: Callable[[dict[str, tuple[RowFigures, Curve]]], None],
) -> None:
    """Train rows in parallel processes; hand on each process's rows and their first trials' curves as they come."""
    asked, entries = (test, length_of(order), trials, order.seed), rows_of(order.budget)
    jobs = [partial(_train, some, *asked) for some in _sharing({name: entries[name] for name in names})]
    run_all(jobs[::-1], order.watch, done=keep)  # the longest are last in ROWS; what begins last should be short


def _sharing(rows: Mapping[str, MethodRow]) -> list[dict[str, MethodRow]]:
    """Group the rows that follow the same prior; any other is a group by itself."""
    groups: dict[str, dict[str, MethodRow]] = {}
    for name, row in rows.items():
        needs = METHODS[row.method].needs
        groups.setdefault(needs if needs in PRIORS else name, {})[name] = row
    return list(groups.values())


def _train(
    rows: Mapping[str, MethodRow],
    test: Examination,
    budget: StepCounts,
    trials: int,
    seed: int,
    watch: NamedWatch,
) -> dict[str, tuple[RowFigures, Curve]]:
    """Train one process's rows one after another; return them and their first trials' curves."""
    floor, _, _ = score(test.density, test.x, test.map)
    priors: Priors = {}
    trained: dict[str, tuple[RowFigures, Curve]] = {}
    for name, entry in rows.items():
        scores, estimator = run_row(entry, test, budget, trials, seed, partial(watch, name), priors)
        sealed = {"settings_sha256": fingerprint(entry, budget, trials, seed)}
        torch.manual_seed(0)
        curve = estimates(estimator, fig1.CURVE, trials)[0].contiguous().numpy()
        trained[name] = {**steps_of(entry, budget), **scores.to_json(floor), **sealed}, curve
    return trained


def _kept_rows(order: Order) -> dict[str, RowFigures]:
    """Read the rows of a table1.json in the folder whose settings are those that are asked for."""
    path = order.out / TABLE
    rows: dict[str, RowFigures] = strict_json.parse(path.read_bytes())["rows"] if path.exists() else {}
    entries, asked = rows_of(order.budget), (length_of(order), order.trials, order.seed)
    return {
        name: row for name, row in rows.items()
        if name in entries and row.get("settings_sha256") == fingerprint(entries[name], *asked)
    }  # fmt: skip


def _keep(curves: dict[str, Tensor], order: Order) -> None:
    """Store the curves for a Figure 1 of the same settings."""
    write_bytes(order.out / CURVES, save(curves, {name: _curve_of(name, order) for name in curves}))


def _kept(order: Order) -> dict[str, Tensor]:
    """Load the curves that an experiment of the same settings has stored, whatever its number of trials, by row."""
    path = order.out / CURVES
    if not path.exists():
        return {}
    with safe_open(path, "pt") as file:
        made = file.metadata() or {}
        alike = [name for name in made if name in rows_of(order.budget) and made[name] == _curve_of(name, order)]
        return {name: file.get_tensor(name) for name in alike}


def _curve_of(name: str, order: Order) -> str:
    return fingerprint(rows_of(order.budget)[name], length_of(order), 1, order.seed)


def _asked(order: Order) -> dict[str, Any]:
    return {"budget": order.budget, "trials": order.trials, "seed": order.seed}


def _write(path: Path, text: str) -> None:
    write_bytes(path, text.encode())
