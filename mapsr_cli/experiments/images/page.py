"""Numbers as JSON and as a Markdown page."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mapsr_cli.experiments.images.scores import CONVENTION
from mapsr_cli.experiments.order import Order
from mapsr_cli.files import write_bytes


def effort(row: dict[str, Any]) -> str:
    """Format steps and minutes of a row's training."""
    return f"{row['steps']:,} steps, {row['minutes']:g} min"


def publish(
    order: Order, name: str, results: dict[str, Any], blocks: Sequence[str], pictures: Sequence[Path]
) -> dict[str, Any]:
    """Write NAME.json and NAME.md (the blocks, the convention of all numbers, the pictures).

    Returns what NAME.json holds, `results` with what was asked and the convention, and besides the `files` written.
    """
    page, numbers = order.out / f"{name}.md", order.out / f"{name}.json"
    short = "" if order.steps is None else f", trainings cut to {order.steps:,} steps"
    origin = f"Budget `{order.budget}`, seed {order.seed}{short}."
    images = [f"![{path.stem}]({path.name})" for path in pictures]
    write_bytes(page, ("\n\n".join([*blocks, f"{origin} {CONVENTION}", *images]) + "\n").encode())
    asked = {"budget": order.budget, "steps": order.steps, "seed": order.seed}
    document = {**asked, "convention": CONVENTION, **results}
    write_bytes(numbers, (json.dumps(document, indent=2) + "\n").encode())
    return {**document, "files": [str(path) for path in (page, numbers, *pictures)]}
