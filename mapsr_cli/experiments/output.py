"""What every experiment writes: names of methods, Markdown tables, figures."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from statistics import mean, stdev

from matplotlib.figure import Figure

from mapsr_cli.files import write_bytes

LABELS = {
    "map": "MAP", "mse": "MSE", "mae": "MAE", "affmse": "AffMSE", "affmae": "AffMAE", "softgan": "SoftGAN",
    "affgan": "AffGAN", "affgan-nonoise": "AffGAN, no instance noise", "affgan-z": "AffGAN, stochastic",
    "affgan-content": "AffGAN + 0.3 MAE",
    "softdg": "SoftDG", "affdg": "AffDG", "affll": "AffLL", "aff-init": "Aff-init", "fitted": "fixed, fitted A⁺",
    "fitted-trainable": "trainable, fitted A⁺", "random": "fixed, random A⁺",
    "random-trainable": "trainable, random A⁺",
}  # fmt: skip
"""Rows as pages and figures call them."""


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Format a Markdown table."""
    lines = [titles, ["---"] * len(titles), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def power(value: float | None) -> str:
    """Format with two digits and a power of ten."""
    return "–" if value is None else "0" if value == 0 else f"{value:.1e}"


def spread(values: Sequence[float], digits: int) -> str:
    """Format the mean of several trials and their standard deviation; of one trial the value alone."""
    middle = f"{mean(values):.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ± {stdev(values):.{digits}f}"


def save(figure: Figure, path: Path) -> Path:
    """Write the figure, whole or not at all; its path."""
    buffer = BytesIO()
    figure.savefig(buffer, format=path.suffix.removeprefix("."), dpi=160)
    write_bytes(path, buffer.getvalue())
    return path
