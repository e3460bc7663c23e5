"""Figure 5: natural images, 32×32 to 128×128, by AffGAN and by the stochastic AffGAN of Appendix F."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mapsr_cli.evaluation.diversity import SAMPLES, diversity
from mapsr_cli.experiments.images.bench import Bench
from mapsr_cli.experiments.images.figures import picture_grid
from mapsr_cli.experiments.images.page import effort, publish
from mapsr_cli.experiments.images.rows import SHORT_DISCRIMINATOR, SMOKE, STEADY_GAN, Length, Row, Trainings
from mapsr_cli.experiments.images.scores import estimates
from mapsr_cli.experiments.images.truths import centres
from mapsr_cli.experiments.order import Order
from mapsr_cli.experiments.output import LABELS, power, table
from mapsr_cli.training.settings import merge

VALID = "eval/BSD100"
SIDE = 128
"""HR pixels of an image."""
SHOWN = 8
"""Columns of Figure 5."""
SAMPLED = 4
"""Images whose samples are drawn, and samples drawn of each."""
TRIED = 20
"""Images whose samples are measured."""

NATURAL = Trainings(
    data="natural",
    rows={
        "affmse": Row("affmse", {"data": {"batch": 16}}),
        "affgan": Row("affgan", STEADY_GAN, init="affmse"),
        "affgan-z": Row("affgan", merge(STEADY_GAN, {"generator": {"noise_dim": 8}}), init="affmse"),
    },
    lengths={
        "smoke": Length("natural-half", {"affmse": 4, "affgan": 2}, SMOKE),
        "cpu": Length(
            "natural-half",
            {"affmse": 3600, "affgan": 2400},
            merge(
                SHORT_DISCRIMINATOR,
                {"data": {"patch": (64, 64), "batch": 8}, "loop": {"average": 0.995, "snapshots": 10}},
            ),
        ),
        "paper": Length("natural", {"affmse": 100_000, "affgan": 100_000}, {"data": {"batch": 16}}),
    },
)


def figure5(order: Order) -> dict[str, Any]:
    """Reproduce Figure 5: AffGAN's output, HR and input; samples of the stochastic row and their deviation."""
    bench = Bench(NATURAL, order)
    truths = centres(order.find(VALID), SIDE)
    bench.train(*NATURAL.rows)
    rows = {name: bench.measure(name, truths) for name in NATURAL.rows}
    samples = _samples(bench, truths[:TRIED])
    spread = _spread(samples, truths[:TRIED])
    titles = ["", "PSNR", "SSIM", "gradient energy", "MSE(x, Aŷ)", "trained"]
    lines = [
        [
            LABELS[name], f"{row['psnr']:.2f}", f"{row['ssim']:.3f}", f"{row['gradient_energy']:.3f}",
            power(row["consistency_mse"]), effort(row),
        ]
        for name, row in rows.items()
    ]  # fmt: skip
    blocks = [
        "# Figure 5: natural images, 32×32 to 128×128",
        f"The middle {SIDE}×{SIDE} of {len(truths)} images that no training saw (`{VALID}`).",
        table(titles, lines),
        f"Stochastic AffGAN: over {SAMPLES} samples of {samples.shape[1]} images, the standard deviation of a pixel is "
        f"{spread['levels']:.2f} levels of 255 on average, the diversity (of squared errors) "
        f"{spread['diversity_mse']:.2f} %. Second picture: samples, and that deviation.",
    ]
    pictures = [_draw_figure5(bench, truths), _draw_samples(bench, truths, samples)]
    return publish(order, "fig5", {"rows": rows, "stochastic": spread}, blocks, pictures)


def _samples(bench: Bench, truths: Tensor) -> Tensor:
    """Draw SAMPLES estimates of each image by the stochastic row: [S, N, 3, H, W], clipped to [0, 1]."""
    network = bench.estimator("affgan-z")
    samples = [torch.cat([y for _, y in estimates(network, truths, seed)]) for seed in range(SAMPLES)]
    return torch.stack(samples).clamp(0, 1)


def _spread(samples: Tensor, truths: Tensor) -> dict[str, float]:
    """Compute the mean standard deviation of a pixel over samples, in levels, and their diversity."""
    each = [diversity(samples[:, n], truth) for n, truth in enumerate(truths)]
    return {"levels": 255 * samples.std(dim=0).mean().item(), "diversity_mse": sum(each) / len(each)}


def _draw_figure5(bench: Bench, truths: Tensor) -> Path:
    chosen = truths[:: max(len(truths) // SHOWN, 1)][:SHOWN]
    x, outputs = next(estimates(bench.estimator("affgan"), chosen))
    rows = ("AffGAN ŷ", "target y", "input x")
    return picture_grid(bench.order.out / "fig5.png", [list(outputs), list(chosen), list(x)], rows=rows)


def _draw_samples(bench: Bench, truths: Tensor, samples: Tensor) -> Path:
    cells = [
        [*samples[:SAMPLED, n], samples[:, n].std(dim=0).mean(dim=0), truths[n]]
        for n in range(min(SAMPLED, samples.shape[1]))
    ]
    columns = [*(f"sample {number}" for number in range(1, SAMPLED + 1)), "deviation", "target y"]
    return picture_grid(bench.order.out / "fig5-samples.png", cells, columns)
