"""Figures 5 and 8: natural images, 32×32 to 128×128, by AffGAN and by the stochastic AffGAN of Appendix F."""

from collections.abc import Sequence
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
from mapsr_cli.experiments.printed import CONVOLVED, PLAIN_IMAGES
from mapsr_cli.training.settings import merge

VALID = "eval/BSD100"
SIDE = 128
"""HR pixels of an image."""
SHOWN = 8
"""Columns of Figures 5 and 8."""
BLOCKS = 3
"""Blocks of so many images: the first is Figure 5, the others are Figure 8."""
STOCHASTIC = "affgan-z"
"""Appendix F's. The paper trained none."""
SAMPLED = 4
"""Images whose samples are drawn, and samples drawn of each."""
TRIED = 20
"""Images whose samples are measured."""

NATURAL = Trainings(
    data="natural",
    rows={
        "affmse": Row("affmse", {"data": {"batch": 16}}),
        "affgan": Row("affgan", STEADY_GAN, init="affmse"),
        STOCHASTIC: Row("affgan", merge(STEADY_GAN, {"generator": {"noise_dim": 8}}), init="affmse"),
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
        "paper": Length(
            "natural",
            {"affgan": 100_000},
            PLAIN_IMAGES,
            {"affgan": Row("affgan", CONVOLVED)},
        ),
    },
)


def figure5(order: Order) -> dict[str, Any]:
    """Reproduce Figure 5: AffGAN's output, HR and input; samples of the stochastic row and their deviation."""
    bench = Bench(NATURAL, order)
    truths = centres(order.find(VALID), SIDE)
    bench.train(*bench.rows)
    rows = {name: bench.measure(name, truths) for name in bench.rows}
    blocks = [
        "# Figure 5: natural images, 32×32 to 128×128",
        f"The middle {SIDE}×{SIDE} of {len(truths)} images that no training saw (`{VALID}`).",
        _table(rows),
    ]
    results: dict[str, Any] = {"rows": rows}
    pictures = [_draw_blocks(bench, "fig5", [_block(truths, 0)])]
    if STOCHASTIC in bench.rows:
        samples = _samples(bench, truths[:TRIED])
        results["stochastic"] = spread = _spread(samples, truths[:TRIED])
        blocks.append(
            f"Stochastic AffGAN: over {SAMPLES} samples of {samples.shape[1]} images, the standard deviation of a "
            f"pixel is {spread['levels']:.2f} levels of 255 on average, the diversity (of squared errors) "
            f"{spread['diversity_mse']:.2f} %. Second picture: samples, and that deviation."
        )
        pictures.append(_draw_samples(bench, truths, samples))
    return publish(order, "fig5", results, blocks, pictures)


def figure8(order: Order) -> dict[str, Any]:
    """Reproduce Figure 8: more images by the AffGAN of Figure 5, none of which Figure 5 shows."""
    bench = Bench(NATURAL, order)
    truths = centres(order.find(VALID), SIDE)
    bench.train("affgan")
    shown = [_block(truths, number) for number in range(1, BLOCKS)]
    rows = {"affgan": bench.measure("affgan", torch.cat(shown))}
    blocks = [
        "# Figure 8: more natural images, 32×32 to 128×128",
        f"The middle {SIDE}×{SIDE} of {sum(map(len, shown))} images of `{VALID}`, none of them in Figure 5.",
        _table(rows),
    ]
    return publish(order, "fig8", {"rows": rows}, blocks, [_draw_blocks(bench, "fig8", shown)])


def _table(rows: dict[str, dict[str, Any]]) -> str:
    titles = ["", "PSNR", "SSIM", "gradient energy", "MSE(x, Aŷ)", "trained"]
    lines = [
        [
            LABELS[name], f"{row['psnr']:.2f}", f"{row['ssim']:.3f}", f"{row['gradient_energy']:.3f}",
            power(row["consistency_mse"]), effort(row),
        ]
        for name, row in rows.items()
    ]  # fmt: skip
    return table(titles, lines)


def _block(truths: Tensor, number: int) -> Tensor:
    """Choose the images of a block: evenly spaced, and as far as there are enough of them in no other block."""
    apart = max(len(truths) // SHOWN, 1)
    return truths[number * apart // BLOCKS :: apart][:SHOWN]


def _samples(bench: Bench, truths: Tensor) -> Tensor:
    """Draw SAMPLES estimates of each image by the stochastic row: [S, N, 3, H, W], clipped to [0, 1]."""
    network = bench.estimator(STOCHASTIC)
    samples = [torch.cat([y for _, y in estimates(network, truths, seed)]) for seed in range(SAMPLES)]
    return torch.stack(samples).clamp(0, 1)


def _spread(samples: Tensor, truths: Tensor) -> dict[str, float]:
    """Compute the mean standard deviation of a pixel over samples, in levels, and their diversity."""
    each = [diversity(samples[:, n], truth) for n, truth in enumerate(truths)]
    return {"levels": 255 * samples.std(dim=0).mean().item(), "diversity_mse": sum(each) / len(each)}


def _draw_blocks(bench: Bench, name: str, blocks: Sequence[Tensor]) -> Path:
    """Draw NAME.png: of each block of images AffGAN's outputs, the images, the inputs."""
    cells: list[list[Tensor]] = []
    for truths in blocks:
        x, outputs = next(estimates(bench.estimator("affgan"), truths))
        cells += [list(outputs), list(truths), list(x)]
    rows = ("AffGAN ŷ", "target y", "input x") * len(blocks)
    return picture_grid(bench.order.out / f"{name}.png", cells, rows=rows)


def _draw_samples(bench: Bench, truths: Tensor, samples: Tensor) -> Path:
    cells = [
        [*samples[:SAMPLED, n], samples[:, n].std(dim=0).mean(dim=0), truths[n]]
        for n in range(min(SAMPLED, samples.shape[1]))
    ]
    columns = [*(f"sample {number}" for number in range(1, SAMPLED + 1)), "deviation", "target y"]
    return picture_grid(bench.order.out / "fig5-samples.png", cells, columns)
