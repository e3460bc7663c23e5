"""`mapsr reproduce table1`, `fig1` and `fig6`: run, write numbers, page and pictures."""

import json
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from mapsr_cli.experiments.order import Order
from mapsr_cli.experiments.swissroll import fig1, fig6
from mapsr_cli.experiments.swissroll.page import table_page
from mapsr_cli.experiments.swissroll.table1 import BUDGETS, PAPER, ROWS, Examination, Priors, run_row, score
from mapsr_cli.experiments.swissroll.trials import denoiser_score, estimates
from mapsr_cli.imaging import write_bytes

CURVES = "curves.safetensors"
SHOWN = ("mse", "mae", "affgan", "softgan", "affdg", "softdg", "affll")
"""Rows that Figure 1 draws."""


def table1(order: Order) -> dict[str, Any]:
    """Train every row, `trials` side by side; write table1.json, table1.md and the first trial's curves."""
    out, trials = order.out, order.trials
    test = Examination.make()
    entropy, median, _ = score(test.density, test.x, test.map)
    rows: dict[str, Any] = {}
    curves: dict[str, Tensor] = {}
    priors: Priors = {}
    for name, entry in ROWS.items():
        watch = partial(order.watch, name)
        row, estimator = run_row(entry, test, BUDGETS[order.budget], trials, order.seed, watch, priors)
        rows[name] = row.to_json(entropy)
        curves[name] = _curve(estimator, trials)
    told = {**_asked(order), "map": {"h": entropy, "median": median}, "rows": rows}
    told["paper"] = {name: {"h": h, "consistency_mse": mse} for name, (h, mse) in PAPER.items()}
    save_file(curves, out / CURVES)
    _write(out / "table1.json", json.dumps(told, indent=2) + "\n")
    _write(out / "table1.md", table_page(told))
    return {**told, "files": [str(out / "table1.md"), str(out / "table1.json")]}


def figure1(order: Order) -> dict[str, Any]:
    """Draw fig1.png and fig1.svg; curves of a table1 in the same folder are used, others trained."""
    out = order.out
    test = Examination.make(1)
    kept = load_file(out / CURVES) if (out / CURVES).exists() else {}
    priors: Priors = {}
    curves = {name: kept[name] if name in kept else _trained(name, test, order, priors) for name in SHOWN}
    save_file({**kept, **curves}, out / CURVES)
    at = fig1.score_places()
    field = denoiser_score(at, BUDGETS[order.budget].denoiser, order.seed, partial(order.watch, "denoiser"))
    paths = fig1.draw(out, test.density, curves, field)
    return {"budget": order.budget, "seed": order.seed, "files": [str(path) for path in paths]}


def figure6(order: Order) -> dict[str, Any]:
    """Train AffGAN with every kind of noise; write fig6.json, fig6.png and fig6.svg."""
    out = order.out
    bench, length = Examination.make(200), BUDGETS[order.budget]
    floor, _, _ = score(bench.density, bench.x, bench.map)
    histories = {
        name: fig6.run_variant(name, bench, length, order.trials, order.seed, partial(order.watch, name))
        for name in fig6.VARIANTS
    }
    told = {**_asked(order), "map": {"h": floor}, "h": histories}
    _write(out / "fig6.json", json.dumps(told, indent=2) + "\n")
    path = fig6.draw(out, histories, length.gan, floor)
    return {**told, "files": [str(path), str(path.with_suffix(".svg"))]}


def _asked(order: Order) -> dict[str, Any]:
    return {"budget": order.budget, "trials": order.trials, "seed": order.seed}


def _trained(name: str, test: Examination, order: Order, priors: Priors) -> Tensor:
    watch = partial(order.watch, name)
    _, estimator = run_row(ROWS[name], test, BUDGETS[order.budget], 1, order.seed, watch, priors)
    return _curve(estimator, 1)


def _curve(estimator: nn.Module, trials: int) -> Tensor:
    torch.manual_seed(0)
    return estimates(estimator, fig1.CURVE, trials)[0].contiguous()


def _write(path: Path, text: str) -> None:
    write_bytes(path, text.encode())
