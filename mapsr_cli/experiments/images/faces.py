"""Figure 2, Table 2 and Figure 4: faces, 16×16 to 64×64."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mapsr_cli.experiments.images.bench import Bench, benches
from mapsr_cli.experiments.images.figures import STYLE, Line, draw_lines, picture_grid, show_kernel
from mapsr_cli.experiments.images.page import effort, publish
from mapsr_cli.experiments.images.rows import SHORT_DISCRIMINATOR, SMOKE, STEADY_GAN, Length, Row, Trainings
from mapsr_cli.experiments.images.scores import History, estimates, first_step, history
from mapsr_cli.experiments.images.truths import tar_images
from mapsr_cli.experiments.order import Order
from mapsr_cli.experiments.output import LABELS, power, save, spread, table
from mapsr_cli.experiments.printed import CONVOLVED, NO_NOISE, PLAIN_IMAGES
from mapsr_cli.networks import AffineConvolution
from mapsr_cli.operators import ConvPinv, Kernel
from mapsr_cli.training.sections import ProjectionKind
from mapsr_cli.training.settings import SectionValues, merge
from mapsr_cli.views.kernel_figure import impulse_response

TRAIN, VALID, TEST = "faces64/train.tar", "faces64/valid.tar", "faces64/test.tar"
WATCHED = 100
"""Validation faces that curves are measured on."""
SHOWN = 6
"""Faces of Figure 4."""

SHARED: SectionValues = {"data": {"batch": 16, "upright": True}, "loop": {"snapshots": 20}}
"""Of budget `cpu`."""

PRINTED = merge(PLAIN_IMAGES, {"loop": {"snapshots": 20}})
"""Of budget `paper`."""

FACES_GAN = merge(STEADY_GAN, {"criterion": {"rate": 4e-5, "muon_rate": 0.0, "noise_start": 0.05, "noise_end": 0.03}})
"""With wider noise D is at chance, and sees no grid on a plain background. Muon, which budget `cpu` gives to the
others, is for regression."""

FACES = Trainings(
    data=TRAIN,
    rows={
        "mse": Row("mse"),
        "affmse": Row("affmse"),
        "softgan": Row("softgan", FACES_GAN, init="mse"),
        "affgan": Row("affgan", FACES_GAN, init="affmse"),
    },
    lengths={
        "smoke": Length("faces-half", {"mse": 4, "affmse": 4, "softgan": 2, "affgan": 2}, SMOKE),
        "cpu": Length(
            "faces-half",
            {"mse": 5500, "affmse": 5500, "softgan": 2500, "affgan": 2500},
            merge(
                SHARED,
                SHORT_DISCRIMINATOR,
                {
                    "criterion": {"muon_rate": 2e-3},
                    "discriminator": {"batch_norm": False, "slope": 0.2},
                    "loop": {"average": 0.995},
                },
            ),
        ),
        "paper": Length(
            "faces",
            {"mse": 100_000, "affmse": 100_000, "softgan": 100_000, "affgan": 100_000},
            PRINTED,
            {
                "mse": Row("mse"),
                "affmse": Row("affmse", CONVOLVED),
                "softgan": Row("softgan", NO_NOISE),
                "affgan": Row("affgan", merge(CONVOLVED, NO_NOISE)),
            },
        ),
    },
)
"""Of Table 2 and Figure 4."""


def _projected(kind: ProjectionKind) -> Row:
    """Make the row of an A⁺ by convolution: `fitted`, `random-trainable`, …"""
    return Row("affmse", {"constraint": {"projection": kind}})


PROJECTIONS = Trainings(
    data=TRAIN,
    rows={
        "none": Row("mse"),
        "exact": Row("affmse"),
        **{name: _projected(name) for name in ("fitted", "fitted-trainable", "random", "random-trainable")},
    },
    lengths={
        "smoke": Length("faces-half", {"mse": 4, "affmse": 4}, SMOKE),
        "cpu": Length(
            "faces-half",
            {"mse": 1000, "affmse": 1000},
            merge(SHARED, {"data": {"batch": 8}, "loop": {"average": 0.98}}),
        ),
        "paper": Length(
            "faces",
            {"mse": 100_000, "affmse": 100_000},
            PRINTED,
            {
                "none": Row("mse"),
                **{name: _projected(name) for name in ("fitted", "fitted-trainable", "random-trainable")},
            },
        ),
    },
)
"""Of Figure 2: at budget `cpu` shorter than Table 2, so that three trainings of six rows take 70 minutes of one core in
bfloat16."""

COLOURS = {
    "none": ("#3d3d3d", "-"),
    "exact": ("#d1495b", "-"),
    "fitted": ("#1b6ca8", "-"),
    "fitted-trainable": ("#1b6ca8", "--"),
    "random": ("#edae49", "-"),
    "random-trainable": ("#edae49", "--"),
}
"""Rows of Figure 2, in the order of its legend."""
NAMES = {**LABELS, "none": "no projection", "exact": "exact (ours)"}
"""As Figure 2 calls them."""
KERNELS = {"fitted": "A⁺, fitted", "fitted-trainable": "trained on", "random-trainable": "from random"}
"""Rows whose A⁺ Figure 2 draws."""
TABLE2 = {
    "mse": {"ssim": 0.90, "psnr": 26.30, "consistency_mse": 8.0e-5},
    "affmse": {"ssim": 0.91, "psnr": 26.53, "consistency_mse": 1.6e-10},
    "softgan": {"ssim": 0.76, "psnr": 21.11, "consistency_mse": 2.3e-3},
    "affgan": {"ssim": 0.81, "psnr": 23.02, "consistency_mse": 9.1e-10},
}
"""As printed."""


def figure2(order: Order) -> dict[str, Any]:
    """Reproduce Figure 2: MSE training with and without the projection: validation curves, test scores, kernels."""
    trials = benches(PROJECTIONS, order)
    valid, test = tar_images(order.find(VALID), WATCHED), tar_images(order.find(TEST))
    names = list(PROJECTIONS.rows_of(order.budget))
    for bench in trials:
        bench.train(*names)
    curves = {name: [history(bench.moments(name), valid) for bench in trials] for name in names}
    rows = {name: [bench.measure(name, test) for bench in trials] for name in names}
    levels = [course[-1]["psnr"] for course in curves["none"]]
    reached = {
        name: [first_step(course, "psnr", level) for course, level in zip(courses, levels, strict=True)]
        for name, courses in curves.items()
    }
    titles = ["A⁺", "MSE", "PSNR", "SSIM", "MSE(x, Aŷ)", "steps to the PSNR that no projection ends with", "trained"]
    lines = [
        [
            NAMES[name], power(_mean(row, "mse")), spread([trial["psnr"] for trial in row], 2),
            spread([trial["ssim"] for trial in row], 4), power(_mean(row, "consistency_mse")),
            ", ".join("–" if step is None else f"{step:,}" for step in reached[name]), effort(row[0]),
        ]
        for name, row in rows.items()
    ]  # fmt: skip
    measured = (
        f"Table: {len(test)} test faces. Curves, and the steps: {len(valid)} validation faces. Trainings of each row: "
        f"{order.trials}, of other seeds; mean ± standard deviation, bands from the least to the greatest."
    )
    blocks = ["# Figure 2: MSE training with and without the affine projection", measured, table(titles, lines)]
    results = {"rows": rows, "curves": curves, "steps_to_psnr_of_none": reached}
    return publish(order, "fig2", results, blocks, [_draw_figure2(trials[0], curves)])


def table2(order: Order) -> dict[str, Any]:
    """Reproduce Table 2: MSE and GAN, with and without the projection, on the test faces."""
    bench = Bench(FACES, order)
    test = tar_images(order.find(TEST))
    bench.train(*TABLE2)
    rows = {name: bench.measure(name, test) for name in TABLE2}
    titles = ["", "SSIM, paper", "ours", "PSNR, paper", "ours", "MSE(x, Aŷ), paper", "ours", "trained"]
    lines = [
        [
            LABELS[name], f"{paper['ssim']:.2f}", f"{rows[name]['ssim']:.3f}", f"{paper['psnr']:.2f}",
            f"{rows[name]['psnr']:.2f}", power(paper["consistency_mse"]), power(rows[name]["consistency_mse"]),
            effort(rows[name]),
        ]
        for name, paper in TABLE2.items()
    ]  # fmt: skip
    blocks = ["# Table 2: faces, 4×", f"{len(test)} test faces.", table(titles, lines)]
    return publish(order, "table2", {"rows": rows, "paper": TABLE2}, blocks, [])


def figure4(order: Order) -> dict[str, Any]:
    """Reproduce Figure 4: pictures of validation faces by the four methods of Table 2."""
    bench = Bench(FACES, order)
    truths = tar_images(order.find(VALID), SHOWN)
    bench.train(*TABLE2)
    x, _ = next(estimates(bench.estimator("mse"), truths))
    outputs = [next(estimates(bench.estimator(name), truths))[1] for name in TABLE2]
    columns = ["input x", "target y", *(LABELS[name] for name in TABLE2)]
    picture = picture_grid(order.out / "fig4.png", list(zip(x, truths, *outputs, strict=True)), columns)
    blocks = ["# Figure 4: faces, 4×", f"The first {len(truths)} validation faces. For numbers, see Table 2."]
    return publish(order, "fig4", {"shown": len(truths)}, blocks, [picture])


def _mean(trials: Sequence[Mapping[str, float]], measure: str) -> float:
    return sum(trial[measure] for trial in trials) / len(trials)


def _draw_figure2(bench: Bench, curves: Mapping[str, Sequence[History]]) -> Path:
    lines = [Line(NAMES[name], courses, *COLOURS[name]) for name, courses in curves.items()]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(13, 3.4), layout="constrained")
        panels = figure.subplot_mosaic("abcde\nabcfg", width_ratios=(4, 4, 4, 2, 2))
        draw_lines(panels["a"], lines, "mse", "MSE(y, ŷ)", log=True)
        draw_lines(panels["b"], lines, "ssim", "SSIM")
        draw_lines(panels["c"], lines, "consistency_mse", "MSE(x, Aŷ)", log=True)
        panels["b"].legend(fontsize=7)
        for letter in "abcd":
            panels[letter].set_title(letter, loc="left", fontweight="bold")
        kernel, kernels = _kernels(bench)
        for place, (title, (weights, first)) in zip("defg", kernels.items(), strict=True):
            show_kernel(panels[place], weights, first, kernel.scale, title)
        return save(figure, bench.order.out / "fig2.png")


def _kernels(bench: Bench) -> tuple[Kernel, dict[str, tuple[NDArray[np.float64], tuple[int, int]]]]:
    """Return A, and by title the weights of A and of each A⁺ by convolution, with HR (row, column) of the first."""
    kernel = bench.estimator("fitted").kernel
    kernels = {"A": kernel.plane()}
    for name, title in KERNELS.items():
        constraint = bench.estimator(name).constraint
        assert isinstance(constraint, AffineConvolution)
        kernels[title] = impulse_response(ConvPinv(constraint.kernels))
    return kernel, kernels
