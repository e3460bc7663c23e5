"""Every image of every test set through every candidate."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor

from mapsr_cli.errors import MapsrError
from mapsr_cli.evaluation.calibration import coverage
from mapsr_cli.evaluation.candidates import CandidateModel, Checkpoint, Estimate, SamplingCandidate
from mapsr_cli.evaluation.diversity import SAMPLES, DenseDistance, diversity, squared_error
from mapsr_cli.evaluation.metrics import require_torchmetrics
from mapsr_cli.evaluation.perceptual import Measure, Perceptual
from mapsr_cli.evaluation.protocol import PEAK, Pair, Protocol, make_pair
from mapsr_cli.evaluation.scores import Evaluation, Failure, Score
from mapsr_cli.inference.overlap import attempt
from mapsr_cli.operators import Kernel, RatioKernel

Observer = Callable[[str, Pair, dict[str, tuple[Estimate, Score]]], None]
"""Called after each image with (test set, pair, model → (estimate, score))."""
PairMeasure = Callable[[Tensor, Pair], Mapping[str, float]]
"""(estimate [3, H, W] in [0, 1], its HR and LR) → several measures by key; none where it cannot tell."""
ImageProgress = Callable[[str, str, int, int], None]
"""Called with (image, model, images done, images)."""


@dataclass(frozen=True)
class Scorer:
    """Takes the measures of an estimate."""

    protocol: Protocol
    measures: Mapping[str, Measure] = field(default_factory=dict)
    """Further measures of an estimate, by key."""
    distances: Mapping[str, DenseDistance] = field(default_factory=lambda: {"diversity_mse": squared_error})
    """What the diversity of samples is measured by, by key."""
    pair_measures: tuple[PairMeasure, ...] = ()
    """What looks at LR, too."""
    confidence: float | None = None
    """Of the error bars whose coverage is measured, of models that have them; None: it is not."""
    samples: int = SAMPLES
    """How many are drawn of a stochastic model."""

    def with_measures(self, measures: Mapping[str, Measure]) -> "Scorer":
        """Add measures by key."""
        return replace(self, measures={**self.measures, **measures})

    def with_perceptual(self, perceptual: Perceptual) -> "Scorer":
        """Add LPIPS and DISTS."""
        measures = {**self.measures, "lpips": perceptual.lpips, "dists": perceptual.dists}
        distances = {**self.distances, "diversity_lpips": perceptual.dense_lpips}
        return replace(self, measures=measures, distances=distances)

    def score(self, estimate: Estimate, pair: Pair) -> Score:
        """Score one estimate, and the samples of a stochastic model."""
        y, truth = estimate.levels / PEAK, pair.hr / PEAK
        psnr, ssim = self.protocol.compare(y, truth, pair.scale)
        more = {k: value for k, measure in self.measures.items() if (value := measure(y, truth)) is not None}
        for measure_pair in self.pair_measures:
            more |= measure_pair(y, pair)
        if estimate.samples is not None:
            samples = estimate.samples / PEAK
            more |= {key: diversity(samples, truth, distance) for key, distance in self.distances.items()}
        return Score(
            psnr=psnr,
            ssim=ssim,
            consistency_mse=estimate.mse_float,
            file_mse=estimate.consistency.mse,
            bit_exact=estimate.consistency.bit_exact,
            megapixels=y.shape[-1] * y.shape[-2] / 1e6,
            seconds=estimate.seconds,
            more=more,
        )


def _silent(image: str, model: str, done: int, total: int) -> None:
    pass


@torch.inference_mode()
def evaluate(
    candidates: Mapping[str, CandidateModel],
    sets: Mapping[str, list[Path]],
    kernel: Kernel | RatioKernel,
    scorer: Scorer,
    observers: Sequence[Observer] = (),
    progress: ImageProgress = _silent,
) -> Evaluation:
    """Score every candidate on every HR image, LR made by `kernel`.

    An image that fails, in itself or with one model, is recorded in `failed` and ends nothing else. Raises MapsrError
    only where nothing at all can be measured.
    """
    require_torchmetrics()
    evaluation = Evaluation(scorer.protocol, kernel)
    images = [(group, path) for group, paths in sets.items() for path in paths]
    for done, (group, path) in enumerate(images):
        image = f"{group}/{path.stem}"
        try:
            pair = attempt(partial(make_pair, path, kernel), "making LR of it")
        except MapsrError as error:
            evaluation.failed.append(Failure(image, None, str(error)))
            continue
        estimates = {}
        for model, candidate in candidates.items():
            progress(image, model, done, len(images))
            try:
                estimates[model] = attempt(partial(_one, candidate, pair, scorer), "evaluating it")
            except MapsrError as error:
                evaluation.failed.append(Failure(image, model, str(error)))
                continue
            evaluation.add(model, group, pair.name, estimates[model][1])
        for observe in observers:
            observe(group, pair, estimates)
    return evaluation


def _one(candidate: CandidateModel, pair: Pair, scorer: Scorer) -> tuple[Estimate, Score]:
    estimate = candidate(pair.lr, pair.name, pair.kernel)
    if isinstance(candidate, SamplingCandidate):
        estimate = replace(estimate, samples=candidate.samples(pair.lr, scorer.samples, pair.kernel))
    score = scorer.score(estimate, pair)
    if scorer.confidence is None or not isinstance(candidate, Checkpoint) or candidate.error_bars is None:
        return estimate, score
    covered = coverage(estimate, pair, candidate.error_bars, scorer.confidence)
    return estimate, replace(score, more={**score.more, **covered})
