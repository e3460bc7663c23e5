"""Density models: fitted by maximum likelihood, then followed."""

import math

import pytest
import torch
from torch import Tensor, nn

from mapsr_cli.criteria.density import MaximumLikelihood, MaximumLikelihoodConfig
from mapsr_cli.criteria.density_guided import DensityGuided
from mapsr_cli.criteria.snapshots import Snapshot, Snapshots
from mapsr_cli.networks import Density
from tests.criteria.stage import Rehearsal, build, images, tiny_density


class Gaussian(nn.Module):
    """log p(y) of independent N(mean, spread²) in every dimension."""

    def __init__(self, mean: float = 0.0, spread: float = 1.0) -> None:
        super().__init__()
        self.mean = nn.Parameter(torch.tensor(mean))
        self.log_spread = nn.Parameter(torch.tensor(math.log(spread)))

    def forward(self, y: Tensor) -> Tensor:
        squares = ((y - self.mean) / self.log_spread.exp()).square()
        return (-0.5 * squares - self.log_spread - 0.5 * math.log(2 * math.pi)).sum(dim=(1, 2, 3))


def guided(*networks: nn.Module) -> DensityGuided:
    criterion = build(DensityGuided, Snapshots(Snapshot(0.0, network) for network in networks))
    assert isinstance(criterion, DensityGuided)
    return criterion


def test_the_gradient_is_that_of_the_likelihood() -> None:
    """Eqn (32), per dimension."""
    torch.manual_seed(0)
    density: Density = tiny_density().double()
    estimate = images(2, 3, 6, 6, dtype=torch.float64).requires_grad_()
    loss, report = guided(density).loss(estimate, estimate.detach(), 0.0)
    (found,) = torch.autograd.grad(loss, estimate)
    log_prob = density.log_prob(estimate)
    (wanted,) = torch.autograd.grad(-log_prob.sum() / estimate.numel(), estimate)
    assert torch.allclose(found, wanted, rtol=0, atol=1e-12)
    assert float(loss.detach()) == pytest.approx(-float(log_prob.detach().sum()) / estimate.numel())
    nats = -float(loss.detach())
    assert float(report["bits"]) == pytest.approx(nats / math.log(2) - math.log2(255))


def test_the_score_of_a_gaussian() -> None:
    estimate = images(2, 1, 4, 4).requires_grad_()
    loss, _ = guided(Gaussian(0.3, 2.0)).loss(estimate, estimate, 0.0)
    (gradient,) = torch.autograd.grad(loss, estimate)
    assert torch.allclose(gradient, (estimate - 0.3) / 4 / estimate.numel(), atol=1e-7)


def test_from_poor_to_good() -> None:
    """Snapshots come in the order in which they were saved."""
    criterion = guided(*(Gaussian(mean) for mean in (3.0, 2.0, 1.0)))
    y = torch.zeros(1, 1, 2, 2)
    losses = [float(criterion.loss(y, y, progress)[0]) for progress in (0.0, 0.3, 0.4, 0.6, 0.7, 1.0)]
    constant = 0.5 * math.log(2 * math.pi)
    assert losses == pytest.approx([constant + 0.5 * mean**2 for mean in (3.0, 3.0, 2.0, 2.0, 1.0, 1.0)])


def test_maximum_likelihood_finds_mean_and_spread() -> None:
    """Eqn (31)."""
    torch.manual_seed(0)
    network = Gaussian()
    learner = MaximumLikelihood(MaximumLikelihoodConfig(rate=0.05, dequantise=0.0), network)
    stage = Rehearsal(lambda: 0.5 + 0.2 * torch.randn(100, 1, 4, 4))
    for _ in range(120):
        report = learner.step(stage)
    assert network.mean.item() == pytest.approx(0.5, abs=0.02)
    assert network.log_spread.exp().item() == pytest.approx(0.2, abs=0.02)
    entropy = 0.5 * math.log(2 * math.pi * math.e * 0.2**2)
    assert float(report["loss"]) == pytest.approx(entropy, abs=0.05)


def test_what_repeats_is_spread_over_a_level() -> None:
    """Uniform noise one level wide: the spread of the noise, not zero, is what a constant image leads to."""
    torch.manual_seed(0)
    network = Gaussian(0.4, 0.1)
    learner = MaximumLikelihood(MaximumLikelihoodConfig(rate=0.05, dequantise=0.06), network)
    stage = Rehearsal(lambda: torch.full((50, 1, 4, 4), 0.4))
    for _ in range(120):
        learner.step(stage)
    assert network.mean.item() == pytest.approx(0.4, abs=0.01)
    assert network.log_spread.exp().item() == pytest.approx(0.06 / math.sqrt(12), rel=0.2)
