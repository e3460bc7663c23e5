"""Where an LR pixel has two answers, MSE takes neither, and every criterion that looks at p_Y takes one."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mapsr_cli.criteria.base import PriorLearner
from mapsr_cli.criteria.denoising import Denoising, DenoisingConfig
from mapsr_cli.criteria.density import MaximumLikelihood, MaximumLikelihoodConfig
from mapsr_cli.criteria.methods import METHODS
from mapsr_cli.criteria.resolver import SuperResolver
from mapsr_cli.criteria.snapshots import Snapshot, Snapshots
from mapsr_cli.networks import (
    Affine,
    Density,
    DensityConfig,
    Estimator,
    MlpDenoiser,
    MlpDenoiserConfig,
    MlpDiscriminator,
    MlpDiscriminatorConfig,
    MlpGenerator,
    MlpGeneratorConfig,
)
from mapsr_cli.operators import make_kernel
from tests.criteria.stage import Rehearsal, build

SPREAD = 0.2


def draw() -> Tensor:
    """Pixels x ± d with x ~ N(0, 1) and d near 1 or −1: [256, 1, 1, 2]. Their mean is x."""
    d = torch.randn(256).sign() + SPREAD * torch.randn(256)
    x = torch.randn(256)
    return torch.stack([x + d, x - d], dim=1)[:, None, None]


def log_density(y: Tensor) -> Tensor:
    """log p(d | x) for y [N, 1, 1, 2]: [N], in nats."""
    d = (y[..., 0] - y[..., 1]).flatten() / 2
    modes = torch.stack([d - 1, d + 1]) / SPREAD
    return (-0.5 * modes.square()).logsumexp(0) - math.log(2 * SPREAD * math.sqrt(2 * math.pi))


def snapshot(learner: PriorLearner, steps: int) -> nn.Module:
    stage = Rehearsal(draw)
    for step in range(steps):
        stage.progress = step / steps
        learner.step(stage)
    return Snapshots([Snapshot(learner.level(1.0), learner.prior.bare)])


def denoiser() -> nn.Module:
    network = MlpDenoiser(MlpDenoiserConfig(hidden=(64, 64)))
    return snapshot(Denoising(DenoisingConfig(rate=3e-3, sigma_start=0.5, sigma_end=0.4), network), 300)


def density() -> nn.Module:
    config = DensityConfig(colours=1, kernels=((1, 3), (1, 1)), channels=16, components=4, centre=0.0, spread=1.0)
    learner = MaximumLikelihood(MaximumLikelihoodConfig(rate=1e-2, dequantise=0.0), Density(config))
    return snapshot(learner, 300)


def discriminator() -> nn.Module:
    return MlpDiscriminator(MlpDiscriminatorConfig())


def trained(name: str, judge: nn.Module | None, **fields: object) -> float:
    """Mean log-density of the estimates after a short training."""
    generator = MlpGenerator(MlpGeneratorConfig(hidden=(32, 32)))
    estimator = Estimator(generator, Affine(make_kernel("box", 2)))
    method = SuperResolver(estimator, build(METHODS[name].criterion, judge, **fields))
    stage = Rehearsal(draw)
    for step in range(300):
        stage.progress = step / 300
        method.step(stage)
    with torch.no_grad():
        return float(log_density(estimator(method.examples(stage)[0])).mean())


GUIDED: dict[str, tuple[Callable[[], nn.Module], dict[str, object]]] = {
    "affgan": (
        discriminator,
        {"rate": 2e-3, "discriminator_rate": 4e-3, "discriminator_steps": 4, "noise_start": 1.0, "noise_end": 0.2},
    ),
    "affdg": (denoiser, {"rate": 2e-3}),
    "affll": (density, {"rate": 2e-3}),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", GUIDED)
def test_one_of_two_answers(name: str) -> None:
    torch.manual_seed(0)
    assert trained("affmse", None, rate=2e-3) < -8  # d = 0 has log-density −11.8
    judge, fields = GUIDED[name]
    assert trained(name, judge(), **fields) > -2  # real ones have −0.5
