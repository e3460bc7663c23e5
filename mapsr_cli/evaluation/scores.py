"""What an evaluation found, image by image, and its means."""

import csv
import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from mapsr_cli.evaluation.metrics import decibels, mean_psnr
from mapsr_cli.evaluation.protocol import Protocol
from mapsr_cli.operators import Kernel, RatioKernel

Summary = dict[str, float | None]
NAMED = 3
"""Images named in a remark."""


@dataclass(frozen=True)
class Score:
    """One estimate of one image, judged."""

    psnr: float
    """dB by the protocol; infinite where estimate and HR are equal."""
    ssim: float
    """By the protocol."""
    consistency_mse: float
    """MSE(x, A ŷ) before rounding, on a 0 … 1 scale."""
    file_mse: float
    """The same of the saved file, A ŷ rounded to 8 bits."""
    bit_exact: float
    """Fraction of LR samples that the saved file gives back bit for bit."""
    megapixels: float
    """Size of the estimate."""
    seconds: float | None
    """Network and projection."""
    more: dict[str, float] = field(default_factory=dict)
    """Measures that not every evaluation takes: `ssimulacra2`, `flip`, `niqe`, `gradient_energy`, `grid`, `phases`,
    `lattice`, `lpips`, `dists`, `improvement`, `omission`, `hallucination`, `fake_patches`, `coverage`, `error_bar`,
    `diversity_mse`, `diversity_lpips`."""


def summarise(scores: Sequence[Score]) -> Summary:
    """Average over images, under the keys that `--json` prints; None stands for infinite dB, or for not known.

    PSNR is averaged over the images that have a finite one (`Evaluation.remarks` names the others).

    LR-PSNRs are those of the mean squared error, so that images that are given back exactly do not make the mean
    infinite; this is never more than the mean of decibels, which the NTIRE 2021 challenge takes.
    """
    consistency_mse = _mean([score.consistency_mse for score in scores])
    seconds = [score.seconds for score in scores if score.seconds is not None]
    more = {key: [s.more[key] for s in scores if key in s.more] for score in scores for key in score.more}
    return {
        "psnr": _finite(mean_psnr([score.psnr for score in scores])),
        "ssim": _mean([score.ssim for score in scores]),
        "lr_psnr_float": _finite(decibels(consistency_mse)),
        "lr_psnr_file": _finite(decibels(_mean([score.file_mse for score in scores]))),
        "consistency_mse": consistency_mse,
        "bit_exact": _mean([score.bit_exact for score in scores]),
        "seconds_per_mp": sum(seconds) / sum(s.megapixels for s in scores) if len(seconds) == len(scores) else None,
        **{key: _mean(values) for key, values in more.items()},
    }


def _no_formula(text: str) -> str:
    """Quote text that a spreadsheet would take for a formula: names of files may be anybody's."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Failure:
    """An image that could not be evaluated."""

    image: str
    """`Set5/baby`."""
    model: str | None
    """None where the image itself is at fault."""
    error: str
    """One line."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Every score, and how it was taken."""

    protocol: Protocol
    kernel: Kernel | RatioKernel
    """A, which made the LR images."""
    scores: dict[str, dict[str, dict[str, Score]]] = field(default_factory=dict)
    """Model → test set → image → score."""
    failed: list[Failure] = field(default_factory=list)

    def add(self, model: str, group: str, image: str, score: Score) -> None:
        """Add a score under its model and test set."""
        self.scores.setdefault(model, {}).setdefault(group, {})[image] = score

    @property
    def sets(self) -> list[str]:
        """Names of the test sets that have a score, in order."""
        return list(dict.fromkeys(group for groups in self.scores.values() for group in groups))

    def by_set(self) -> Iterator[tuple[str, dict[str, tuple[int, Summary]]]]:
        """Yield (test set, model → (images, means)) for every set."""
        for group in self.sets:
            scores = {model: list(groups[group].values()) for model, groups in self.scores.items() if group in groups}
            yield group, {model: (len(of), summarise(of)) for model, of in scores.items()}

    def remarks(self) -> list[str]:
        """Name the images whose PSNR is infinite, which the means leave out: a line per model and test set."""
        lines = []
        for model, groups in self.scores.items():
            for group, by_name in groups.items():
                exact = [name for name, score in by_name.items() if math.isinf(score.psnr)]
                if exact and len(exact) < len(by_name):
                    names = ", ".join(exact[:NAMED]) + (f" and {len(exact) - NAMED} more" if exact[NAMED:] else "")
                    lines.append(f"{group}, {model}: equal to HR on {names} (PSNR ∞), which the mean PSNR leaves out")
        return lines

    def to_json(self) -> dict[str, Any]:
        """Return the document that `--json` prints."""
        models = {}
        for model, groups in self.scores.items():
            images = {f"{group}/{name}": score for group, by_name in groups.items() for name, score in by_name.items()}
            models[model] = {
                **summarise(list(images.values())),
                "sets": {group: summarise(list(by_name.values())) for group, by_name in groups.items()},
                "images": {name: summarise([score]) for name, score in images.items()},
            }
        return {
            "protocol": self.protocol.name,
            "conditions": self.protocol.describe(self.kernel),
            "kernel": {"name": self.kernel.name, "scale": self.kernel.scale, "sigma": self.kernel.sigma},
            "models": models,
            "remarks": self.remarks(),
            "failed": [{"image": f.image, "model": f.model, "error": f.error} for f in self.failed],
        }

    def to_csv(self) -> str:
        """Return CSV with a line per model and image; infinite and unknown values are left empty."""
        rows: list[dict[str, Any]] = []
        for model, groups in self.scores.items():
            for group, by_name in groups.items():
                for name, score in by_name.items():
                    names = {"model": _no_formula(model), "set": _no_formula(group), "image": _no_formula(name)}
                    rows.append({**names, **summarise([score])})
        text = io.StringIO()
        columns = list(dict.fromkeys(key for row in rows for key in row))
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        return text.getvalue()
