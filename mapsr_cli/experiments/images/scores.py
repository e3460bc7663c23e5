"""What is measured of an estimator on HR images y: x = A y, unrounded, as in training; ŷ as the estimator gives it."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from mapsr_cli.evaluation.metrics import psnr, ssim
from mapsr_cli.evaluation.texture import gradient_energy
from mapsr_cli.networks import Estimator

CONVENTION = (
    "PSNR and SSIM: RGB, all three channels together, whole image, estimates clipped to [0, 1] and not rounded; means "
    "over images (SSIM: torchmetrics, 11×11 window, σ = 1.5). MSE(x, Aŷ): values 0 … 1, float32, nothing clipped, "
    "x = A y not rounded. Gradient energy: mean squared forward difference along both axes, of all estimates over that "
    "of all truths. The paper does not say how it took PSNR and SSIM."
)
BATCH = 16
"""Images at once."""

History = list[dict[str, float]]
"""Measures along a training."""


@dataclass(frozen=True)
class Scores:
    """Means over images."""

    psnr: float
    """dB."""
    ssim: float
    mse: float
    """Of HR values 0 … 1, clipped."""
    consistency_mse: float
    """MSE(x, Aŷ)."""
    gradient_energy: float
    """Σ over estimates / Σ over truths."""

    def to_json(self) -> dict[str, float]:
        """Return the measures by name."""
        return asdict(self)


def estimates(estimator: Estimator, truths: Tensor, seed: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (x, ŷ) of truths [N, C, H, W] in batches; `seed` fixes a stochastic estimator's noise."""
    with torch.random.fork_rng(), torch.inference_mode():
        torch.manual_seed(seed)
        for y in torch.split(truths, BATCH):
            x = estimator.constraint.down(y)
            yield x, estimator(x)


def score(estimator: Estimator, truths: Tensor) -> Scores:
    """Compute every measure on truths [N, 3, H, W] in [0, 1]."""
    pairs = list(estimates(estimator, truths))
    shown = torch.cat([estimate for _, estimate in pairs]).clamp(0, 1)
    errors = [(estimator.constraint.down(estimate) - x).double().square().flatten(1).mean(1) for x, estimate in pairs]
    return Scores(
        psnr=_mean([psnr(a, b) for a, b in zip(shown, truths, strict=True)]),
        ssim=_mean([ssim(a, b) for a, b in zip(shown, truths, strict=True)]),
        mse=(shown - truths).double().square().mean().item(),
        consistency_mse=torch.cat(errors).mean().item(),
        gradient_energy=gradient_energy(shown) / gradient_energy(truths),
    )


def history(moments: Iterable[tuple[int, Estimator]], truths: Tensor) -> History:
    """Compute every measure at every moment of a training, with its `step`."""
    return [{"step": step, **score(estimator, truths).to_json()} for step, estimator in moments]


def first_step(course: History, measure: str, level: float) -> float | None:
    """Return the first step at which `measure` is at least `level`; None if it never is."""
    return next((moment["step"] for moment in course if moment[measure] >= level), None)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
