"""An evaluation's means as rows of text, for the terminal and for the report alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from mapsr_cli.evaluation.scores import Summary

UNKNOWN = "–"


@dataclass(frozen=True)
class Column:
    """One measure."""

    key: str
    """Of a Summary."""
    title: str
    text: Callable[[float], str]
    """How a value is written."""
    better: int
    """1 where more is better, −1 where less is, 0 where it says nothing."""
    none: str = UNKNOWN
    """What None stands for."""


@dataclass(frozen=True)
class Cell:
    """What stands in a table."""

    text: str
    best: bool = False
    """Whether no other model has a better value, and some model a worse one."""


COLUMNS = (
    Column("psnr", "PSNR", "{:.2f}".format, 1, "∞"),
    Column("ssim", "SSIM", "{:.4f}".format, 1),
    Column("ssimulacra2", "SSIMULACRA2", "{:.1f}".format, 1),
    Column("flip", "FLIP", "{:.3f}".format, -1),
    Column("niqe", "NIQE", "{:.1f}".format, 0),
    Column("gradient_energy", "energy", "{:.2f}".format, 0),
    Column("grid", "grid", "{:.3f}".format, 0),
    Column("phases", "phases", "{:.2f}".format, -1),
    Column("lattice", "lattice", "{:.2f}".format, -1),
    Column("lpips", "LPIPS", "{:.4f}".format, -1),
    Column("dists", "DISTS", "{:.4f}".format, -1),
    Column("improvement", "improved", "{:.1%}".format, 1),
    Column("omission", "omitted", "{:.1%}".format, -1),
    Column("hallucination", "invented", "{:.1%}".format, -1),
    Column("fake_patches", "fake patches", "{:.1%}".format, -1),
    Column("coverage", "coverage", "{:.1%}".format, 0),
    Column("error_bar", "±levels", "{:.1f}".format, 0),
    Column("diversity_mse", "div. MSE", "{:.1f}".format, 1),
    Column("diversity_lpips", "div. LPIPS", "{:.1f}".format, 1),
    Column("consistency_mse", "MSE(x, Aŷ)", "{:.1e}".format, 0),
    Column("lr_psnr_file", "LR-PSNR", "{:.2f}".format, 0, "∞"),
    Column("bit_exact", "bit-exact", lambda share: _percent(share), 1),
    Column("seconds_per_mp", "s/MP", "{:.2f}".format, 0),
)
LEGEND = (
    "MSE(x, Aŷ): before rounding, values 0 … 1. LR-PSNR: of the saved file, downscaled and rounded, to LR, in dB. "
    "bit-exact: share of LR samples that the saved file gives back. s/MP: seconds of network and projection per output "
    "megapixel."
)


def _percent(share: float) -> str:
    """Format a share in percent; less than all is never shown as 100 %."""
    text = f"{100 * share:.2f} %"
    return "99.99 %" if share < 1 and text == "100.00 %" else text


def tabulate(rows: Mapping[str, tuple[int, Summary]]) -> tuple[list[str], list[list[Cell]]]:
    """Return titles, and a row of cells for each model → (images, means); leave out measures that no model has."""
    columns = [column for column in COLUMNS if any(column.key in means for _, means in rows.values())]
    bests = {column.key: _best(column, [means for _, means in rows.values()]) for column in columns}
    titles = ["model", "images", *(column.title for column in columns)]
    return titles, [
        [Cell(model), Cell(str(images)), *(_cell(column, means, bests[column.key]) for column in columns)]
        for model, (images, means) in rows.items()
    ]


def _value(column: Column, means: Summary) -> float | None:
    value = means.get(column.key)
    return float("inf") if value is None and column.none == "∞" else value


def _best(column: Column, summaries: list[Summary]) -> float | None:
    """Return the best value; None where all are equal."""
    values = {value for means in summaries if (value := _value(column, means)) is not None}
    if column.better == 0 or len(values) < 2:
        return None
    return max(values, key=lambda value: column.better * value)


def _cell(column: Column, means: Summary, best: float | None) -> Cell:
    value = means.get(column.key)
    if value is None:
        return Cell(column.none, best=best == float("inf"))
    return Cell(column.text(value), best=value == best)
