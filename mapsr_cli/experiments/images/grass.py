"""Figures 3 and 7: grass textures, 4×; and AffGAN with and without instance noise."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib as mpl
import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from mapsr_cli.evaluation.texture import gradient_energy
from mapsr_cli.experiments.images.bench import Bench, benches
from mapsr_cli.experiments.images.figures import STYLE, Line, draw_lines, picture_grid
from mapsr_cli.experiments.images.page import effort, publish
from mapsr_cli.experiments.images.rows import SMOKE, STEADY_GAN, Length, Row, Trainings
from mapsr_cli.experiments.images.scores import BATCH, History, estimates, history, score
from mapsr_cli.experiments.images.truths import patches
from mapsr_cli.experiments.order import Order
from mapsr_cli.experiments.output import LABELS, power, save, spread, table
from mapsr_cli.experiments.printed import CONVOLVED, NO_NOISE, PLAIN_IMAGES
from mapsr_cli.networks import bits_per_dim
from mapsr_cli.training.journal import read_metrics
from mapsr_cli.training.settings import merge

VALID = "grass/valid"
SIDE, ACROSS = 128, 4
"""HR pixels of a patch that is measured, and how many each valid image gives along an axis."""
ZOOM = 40
"""HR pixels of a detail in Figure 3."""
PAPER_BITS = -4.10
"""log₂ p per dimension of the paper's density model."""
LEVEL_BITS = math.log2(255)
"""From values in [0, 1] to levels 0 … 255, per dimension."""

AFFGAN = merge(
    STEADY_GAN,
    {
        "criterion": {"rate": 3e-4, "discriminator_rate": 6e-4, "noise_end": 0.08},
        "data": {"tint": 0.05, "desaturate": 1.0, "gamma": 2.0, "contrast": 1.25},
        "loop": {"average": 0.998, "final_rate": 0.02},
    },
)
"""Without `shift`, or from a fresh generator, it ended in grids, as on bright grass without `gamma`; without
`desaturate`, in a blur on grey grass; without `contrast`, or with narrower noise, in less texture than there is."""

SOFT = (
    "acg_Grass001_1K-JPG_Color.jpg",
    "nexuiz_mudground02_drygrass.png",
    "stk_textures_grass2.jpg",
    "ufo_tex_mattn_grass003.jpg",
)
"""Out of focus or blurred, a third of all patches: they hide from an LR image how much fine texture grass has."""

NOISELESS = "affgan-nonoise"
"""Not of the paper, which has no instance noise here: ours has."""

SMALL = {"batch": 8, "patch": (32, 32)}
"""A quarter of the work of 64×64: three trainings of AffDG, AffLL and both priors fit an hour."""

GRASS = Trainings(
    data="grass/train",
    rows={
        "affmse": Row("affmse"),
        "affgan": Row("affgan", AFFGAN, init="affmse", without=SOFT),
        "denoiser": Row("denoiser", {"data": SMALL, "loop": {"snapshots": 8}}),
        "affdg": Row("affdg", {"data": SMALL, "loop": {"average": 0.9, "snapshots": 40}}, prior="denoiser"),
        "density": Row("density", {"data": SMALL, "loop": {"snapshots": 8}, "criterion": {"rate": 3e-3}}),
        "affll": Row("affll", {"data": SMALL, "loop": {"snapshots": 40}}, prior="density"),
        NOISELESS: Row("affgan", merge(AFFGAN, {"criterion": {"noise": "none"}}), init="affmse", without=SOFT),
    },
    lengths={
        "smoke": Length(
            "grass", {"affmse": 4, "affgan": 2, "denoiser": 8, "affdg": 4, "density": 8, "affll": 4}, SMOKE
        ),
        "cpu": Length(
            "grass",
            {"affmse": 5000, "affgan": 2000, "denoiser": 600, "affdg": 800, "density": 2000, "affll": 1000},
            {"data": {"tint": 0.3}, "discriminator": {"local": True}, "loop": {"snapshots": 20}},
        ),
        "paper": Length(
            "grass",
            {
                "affmse": 100_000, "affgan": 100_000, "denoiser": 50_000, "affdg": 50_000, "density": 50_000,
                "affll": 50_000,
            },
            merge(PLAIN_IMAGES, {"loop": {"snapshots": 80}}),
            {
                "affmse": Row("affmse", CONVOLVED),
                "affgan": Row("affgan", merge(CONVOLVED, NO_NOISE)),
                "denoiser": Row("denoiser", {"loop": {"snapshots": 8}}),
                "affdg": Row("affdg", CONVOLVED, prior="denoiser"),
                "density": Row("density", {"loop": {"snapshots": 8}}),
                "affll": Row("affll", CONVOLVED, prior="density"),
            },
        ),
    },
)  # fmt: skip

SHOWN = ("affmse", "affgan", "affdg", "affll")
COLOURS = {"affdg": "#6a4c93", "affll": "#3d3d3d", "affgan": "#d1495b", NOISELESS: "#1b6ca8"}


def figure3(order: Order) -> dict[str, Any]:
    """Reproduce Figure 3: textures of families outside the training set: pictures, gradient energy, density in bits."""
    bench = Bench(GRASS, order)
    truths = patches(order.find(VALID), SIDE, ACROSS)
    bench.train(*bench.rows)
    density = bench.snapshots("density").best.network
    rows: dict[str, Any] = {"aff-init": score(bench.untrained("affmse"), truths).to_json()}
    for name in (name for name in (*SHOWN, NOISELESS) if name in bench.rows):
        outputs = _outputs(bench, name, truths)
        own = {"bits": _bits(density, outputs), "gradient_energies": _energies(outputs, truths)}
        rows[name] = {**bench.measure(name, truths), **own}
    true_bits = _bits(density, _dequantised(truths))
    titles = ["", "PSNR", "SSIM", "gradient energy", "of each texture", "MSE(x, Aŷ)", "bits", "trained"]
    lines = [
        [
            LABELS[name], f"{row['psnr']:.2f}", f"{row['ssim']:.3f}", f"{row['gradient_energy']:.3f}",
            ", ".join(f"{energy:.2f}" for energy in row.get("gradient_energies", [])) or "–",
            power(row["consistency_mse"]), f"{row['bits']:.2f}" if "bits" in row else "–",
            effort(row) if "steps" in row else "–",
        ]
        for name, row in rows.items()
    ]  # fmt: skip
    blocks = [
        "# Figure 3: grass, 4×",
        f"{len(truths)} patches of {SIDE}×{SIDE} from textures of families that no training saw.",
        table(titles, lines),
        _about_bits(true_bits),
    ]
    results = {"rows": rows, "bits": true_bits, "paper_bits": PAPER_BITS}
    pictures = [_draw_figure3(bench, truths)]
    if NOISELESS in bench.rows:
        noise = {name: history(bench.moments(name), truths) for name in ("affgan", NOISELESS)}
        results["noise"] = noise
        blocks.append("Lower picture: AffGAN with instance noise and without, trained equally long.")
        pictures.append(_draw_noise(bench, noise))
    return publish(order, "fig3", results, blocks, pictures)


def figure7(order: Order) -> dict[str, Any]:
    """Reproduce Figure 7: PSNR and SSIM while AffDG and AffLL train, with lines where the prior's snapshot changes."""
    trials = benches(GRASS, order)
    guided = ("affdg", "affll")
    truths = patches(order.find(VALID), SIDE, ACROSS)
    for bench in trials:
        bench.train(*guided)
    curves = {name: [history(bench.moments(name), truths) for bench in trials] for name in guided}
    switches = {name: _switches(trials[0], name) for name in guided}
    titles = ["", "PSNR, first", "last", "SSIM, first", "last", "next snapshot at steps"]
    lines = [
        [
            LABELS[name], *(spread([course[at][key] for course in courses], digits)
            for key, digits in (("psnr", 3), ("ssim", 4)) for at in (0, -1)),
            ", ".join(f"{step:.0f}" for step in switches[name]),
        ]
        for name, courses in curves.items()
    ]  # fmt: skip
    about = (
        f"Trainings of each row, its prior's included: {order.trials}, of other seeds; bands from least to greatest."
    )
    blocks = ["# Figure 7: PSNR and SSIM while AffDG and AffLL train", about, table(titles, lines)]
    levels = list(trials[0].snapshots("denoiser").levels)
    results = {"curves": curves, "switches": switches, "denoiser_levels": levels}
    return publish(order, "fig7", results, blocks, [_draw_figure7(order, curves, switches)])


def _outputs(bench: Bench, name: str, truths: Tensor) -> Tensor:
    return torch.cat([estimate for _, estimate in estimates(bench.estimator(name), truths)])


def _energies(outputs: Tensor, truths: Tensor) -> list[float]:
    """Compute the gradient energy of each texture: in a mean, a grid on one could make up for blur on another."""
    textures = zip(*(torch.split(y, ACROSS**2) for y in (outputs.clamp(0, 1), truths)), strict=True)
    return [gradient_energy(output) / gradient_energy(truth) for output, truth in textures]


def _dequantised(levels: Tensor) -> Tensor:
    """Add uniform noise of a level's width to 8-bit values in [0, 1]."""
    noise = torch.rand(levels.shape, generator=torch.Generator().manual_seed(0))
    return levels + (noise - 0.5) / 255


def _bits(density: nn.Module, images: Tensor) -> float:
    """Average log₂ p per dimension, of levels."""
    with torch.inference_mode():
        parts = [density(some) for some in torch.split(images, BATCH)]
    return bits_per_dim(torch.cat(parts), images[0].numel()).mean().item()


def _about_bits(bits: float) -> str:
    return (
        f"bits: log₂ p per dimension under our MCGSM–PixelCNN, of levels 0 … 255; higher is better. The true patches "
        f"(with uniform noise of a level's width) have **{bits:.2f}**, the paper's model {PAPER_BITS:.2f} on its own "
        f"textures. Of values in [0, 1] ours is {bits + LEVEL_BITS:+.2f} and the paper's would be "
        f"{PAPER_BITS + LEVEL_BITS:+.2f}; the paper does not name its units, but {PAPER_BITS:.2f} in [0, 1] would be "
        "worse than a uniform density (0)."
    )


def _switches(bench: Bench, name: str) -> list[float]:
    """Return the steps at which a guided method changes to the next snapshot of its prior."""
    steps = bench.recipe(name).loop.steps or 0
    prior = bench.rows[name].prior
    assert prior is not None
    return [steps * progress for progress in bench.snapshots(prior).switches]


def _draw_figure3(bench: Bench, truths: Tensor) -> Path:
    """Draw one patch of the first image and one of the last, each with a detail below."""
    chosen = truths[[ACROSS + 1, -ACROSS - 2]]
    networks = [bench.untrained("affmse"), *(bench.estimator(name) for name in SHOWN)]
    outputs = [next(estimates(network, chosen)) for network in networks]
    whole = list(zip(outputs[0][0], chosen, *(estimate for _, estimate in outputs), strict=True))
    cells = [row for pictures in whole for row in (pictures, [_detail(picture) for picture in pictures])]
    columns = ["input x", "target y", "Aff-init", *(LABELS[name] for name in SHOWN)]
    return picture_grid(bench.order.out / "fig3.png", cells, columns)


def _detail(picture: Tensor) -> Tensor:
    """Crop the middle of a patch, of the same extent in LR and HR."""
    side = picture.shape[-1] * ZOOM // SIDE
    start = (picture.shape[-1] - side) // 2
    return picture[:, start : start + side, start : start + side]


def _draw_noise(bench: Bench, courses: Mapping[str, History]) -> Path:
    lines = [Line(LABELS[name], [moments], COLOURS[name]) for name, moments in courses.items()]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.5, 2.9), layout="constrained")
        left, middle, right = figure.subplots(1, 3)
        draw_lines(left, lines, "gradient_energy", "gradient energy / HR's")
        left.axhspan(0.85, 1.15, color="#eeeeee", zorder=0)
        draw_lines(middle, lines, "psnr", "PSNR, dB")
        losses = [
            Line(line.label, [_losses(bench, name)], line.colour) for name, line in zip(courses, lines, strict=True)
        ]
        draw_lines(right, losses, "d_loss", "discriminator's loss")
        right.legend(fontsize=7)
        return save(figure, bench.order.out / "fig3-noise.png")


def _losses(bench: Bench, name: str) -> History:
    rows = read_metrics(bench.runs / name)
    return [{"step": step, "d_loss": float(value)} for step, key, value in rows if key == "d_loss"]


def _draw_figure7(order: Order, curves: Mapping[str, Sequence[History]], switches: Mapping[str, list[float]]) -> Path:
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(12, 5), layout="constrained")
        for (name, courses), axes in zip(curves.items(), figure.subplots(2, 3), strict=True):
            line = [Line(LABELS[name], courses, COLOURS[name])]
            draw_lines(axes[0], line, "psnr", "PSNR, dB", marks=switches[name])
            draw_lines(axes[1], line, "ssim", "SSIM", marks=switches[name])
            axes[0].set_title(LABELS[name], loc="left")
            begin = max(switches[name][1:2], default=0.0)
            late = [[moment for moment in course if moment["step"] >= begin] for course in courses]
            draw_lines(axes[2], [replace(line[0], histories=late)], "psnr", "PSNR, dB", marks=switches[name][1:])
            axes[2].set_title("from the third snapshot on", loc="left")
        return save(figure, order.out / "fig7.png")
