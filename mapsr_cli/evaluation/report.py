"""The HTML report: every set's table, and sliders over pictures spread evenly over each set."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

from mapsr_cli import __version__
from mapsr_cli.evaluation.candidates import Estimate
from mapsr_cli.evaluation.protocol import Pair
from mapsr_cli.evaluation.scores import Evaluation, Score
from mapsr_cli.evaluation.table import LEGEND, Cell, tabulate
from mapsr_cli.views.slider import View, page, slider

PICTURES = 24
"""Approximate number of sliders in a report; with four models they take 16 MB."""
CROP = 384
"""HR pixels a side of a slider's picture, at most: a multiple of every scale."""


def spread(sets: Mapping[str, list[Path]], count: int = PICTURES) -> dict[str, set[str]]:
    """Choose about `count` images, equally many from each set, evenly spaced in it: test set → names."""
    share = math.ceil(count / len(sets))
    return {group: {path.stem for path in paths[:: math.ceil(len(paths) / share)]} for group, paths in sets.items()}


@dataclass
class Gallery:
    """Collects sliders while an evaluation runs: an Observer."""

    chosen: Mapping[str, set[str]]
    """Test set → names of the images to show."""
    sliders: list[str] = field(default_factory=list)

    def __call__(self, group: str, pair: Pair, estimates: dict[str, tuple[Estimate, Score]]) -> None:
        """Keep a slider over LR, every estimate and HR, if the image is one to show."""
        if pair.name not in self.chosen.get(group, ()):
            return
        lr = _middle(pair.lr.shape, CROP // pair.scale)
        hr = pair.hr_part(lr)
        views = [View(_label(model, score), y.levels[:, *hr]) for model, (y, score) in estimates.items()]
        height, width = pair.hr.shape[-2:]
        note = f"the middle of {width}×{height}" if max(height, width) > CROP else ""
        # From the first model to the last, or to HR where there is only one.
        self.sliders.append(
            slider(
                f"{group}/{pair.name}",
                [View("LR, nearest", pair.lr[:, *lr]), *views, View("HR", pair.hr[:, *hr])],
                note,
                left=min(1, len(views)),
                right=-2 if len(views) > 1 else -1,
            )
        )


def _label(model: str, score: Score) -> str:
    decibels = f"{score.psnr:.2f}" if math.isfinite(score.psnr) else "∞"
    return f"{model}, {decibels} dB"


def _middle(shape: Sequence[int], size: int) -> tuple[slice, ...]:
    """Return rows and columns of the middle size × size pixels of [C, h, w], or of all if there are fewer."""
    starts = [max(n - size, 0) // 2 for n in shape[-2:]]
    return tuple(slice(start, start + min(n, size)) for start, n in zip(starts, shape[-2:], strict=True))


def report(evaluation: Evaluation, data: Path, sliders: Sequence[str]) -> str:
    """Return the whole HTML document: the protocol, a table per test set, failures, `sliders`."""
    title = f"mapsr evaluate: {data.resolve().name}"
    tables = "".join(f"<h2>{escape(group)}</h2>\n{_html(*tabulate(rows))}" for group, rows in evaluation.by_set())
    body = (
        f"<h1>{escape(title)}</h1>\n<p>{escape(evaluation.protocol.describe(evaluation.kernel))}.</p>\n"
        f'<p class="soft">{escape(LEGEND)} mapsr {__version__}.</p>\n'
    )
    remarks = "".join(f'<p class="soft">{escape(line)}.</p>\n' for line in evaluation.remarks())
    return page(title, body + tables + remarks + _failures(evaluation) + _pictures(evaluation, sliders))


def _pictures(evaluation: Evaluation, sliders: Sequence[str]) -> str:
    if not sliders:
        return ""
    images = {(group, name) for groups in evaluation.scores.values() for group in groups for name in groups[group]}
    return (
        f"<h2>Pictures</h2>\n"
        f'<p class="soft">{len(sliders)} of {len(images)} images, at most {CROP}×{CROP} pixels of each. Drag across a '
        "picture, or use the arrow keys on its slider; + and − zoom, d shows the difference.</p>\n" + "".join(sliders)
    )


def _html(titles: list[str], rows: list[list[Cell]]) -> str:
    head = "".join(f'<th scope="col">{escape(title)}</th>' for title in titles)
    lines = "".join(f"<tr>{''.join(map(_td, row))}</tr>\n" for row in rows)
    return f'<div class="scroll"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{lines}</tbody>\n</table></div>\n'


def _td(cell: Cell) -> str:
    best = ' class="best"' if cell.best else ""
    return f"<td{best}>{escape(cell.text)}</td>"


def _failures(evaluation: Evaluation) -> str:
    if not evaluation.failed:
        return ""
    items = "".join(
        f"<li>{escape(f.image)}{escape(f', {f.model}') if f.model else ''}: {escape(f.error)}</li>\n"
        for f in evaluation.failed
    )
    return f"<h2>Not evaluated</h2>\n<ul>\n{items}</ul>\n"
