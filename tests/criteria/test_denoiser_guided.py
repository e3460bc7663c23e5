import pytest
import torch
from torch import Tensor, nn

from mapsr_cli.criteria.denoiser_guided import DenoiserGuided
from mapsr_cli.criteria.snapshots import Snapshot, Snapshots
from mapsr_cli.errors import UsageError
from tests.criteria.stage import Denoises, build, images

DOUBLE = torch.float64
SPREAD = 0.7


def guided(*snapshots: Snapshot, **fields: object) -> DenoiserGuided:
    criterion = build(DenoiserGuided, Snapshots(snapshots), **fields)
    assert isinstance(criterion, DenoiserGuided)
    return criterion


def annealed(*sigmas: float) -> list[Snapshot]:
    return [Snapshot(sigma, Denoises(SPREAD, sigma)) for sigma in sigmas]


@pytest.mark.parametrize("sigma", [0.5, 0.01])
def test_the_score_of_a_gaussian(sigma: float) -> None:
    """Eqn (12) with p_Y = N(0, s² I): ∇log p_σ(y) = −y/(s² + σ²)."""
    y = images(2, 3, 4, 4, dtype=DOUBLE)
    score, level = guided(*annealed(sigma), noisy=False).score(y, 0.0)
    assert level == sigma
    assert torch.allclose(score, -y / (SPREAD**2 + sigma**2), rtol=0, atol=1e-10)


def test_the_gradient_is_minus_the_score_per_dimension() -> None:
    """Eqns (28)–(30): descent on the loss is ascent on log p(ŷ), in nats per dimension."""
    estimate = images(2, 3, 4, 4, dtype=DOUBLE).requires_grad_()
    loss, report = guided(*annealed(0.3), noisy=False).loss(estimate, estimate.detach(), 0.0)
    (gradient,) = torch.autograd.grad(loss, estimate)
    score = -estimate.detach() / (SPREAD**2 + 0.3**2)
    assert torch.allclose(gradient, -score / estimate.numel(), rtol=0, atol=1e-12)
    assert report["sigma"] == 0.3
    assert float(report["score"]) == pytest.approx(float(score.square().mean().sqrt()))


def test_with_noise_the_mean_is_the_score_of_the_noisy_estimate() -> None:
    """For a linear denoiser E f(ŷ + ε) = f(ŷ), so the mean is the score at ŷ; the rest is f(ε)/σ²."""
    torch.manual_seed(0)
    sigma, y = 0.5, images(1, 1, 2, 2)
    draws, _ = guided(*annealed(sigma)).score(y.expand(40000, -1, -1, -1), 0.0)
    slope = SPREAD**2 / (SPREAD**2 + sigma**2)
    assert torch.allclose(draws.mean(0), -y[0] / (SPREAD**2 + sigma**2), rtol=0, atol=0.03)
    assert float(draws.std(0).mean()) == pytest.approx(slope / sigma, rel=0.02)


class Tells(nn.Module):
    """Stands where it is told the noise is."""

    def __init__(self, *, conditional: bool) -> None:
        super().__init__()
        self.config = Denoises(1.0, None if conditional else 1.0).config
        self.told: list[float] = []

    def forward(self, y: Tensor, sigma: float) -> Tensor:
        self.told.append(sigma)
        return y


def test_ever_less_noisy_snapshots() -> None:
    networks = {level: Tells(conditional=False) for level in (0.1, 0.5, 0.2)}
    criterion = guided(*(Snapshot(level, network) for level, network in networks.items()))
    levels = [criterion.score(images(1, 1, 2, 2), step / 6)[1] for step in range(6)]
    assert levels == [0.5, 0.5, 0.2, 0.2, 0.1, 0.1]
    assert {level: network.told for level, network in networks.items()} == {k: [k, k] for k in networks}


def test_one_noise_conditional_denoiser() -> None:
    """The best snapshot alone, told a σ that falls by equal ratios."""
    early, late = Tells(conditional=True), Tells(conditional=True)
    criterion = guided(Snapshot(0.1, early), Snapshot(0.1, late), sigma_start=0.8, sigma_end=0.2)
    levels = [criterion.score(images(1, 1, 2, 2), progress)[1] for progress in (0.0, 0.5, 1.0)]
    assert levels == pytest.approx([0.8, 0.4, 0.2])
    assert (early.told, late.told) == ([], levels)
    linear = guided(Snapshot(0.1, late), sigma_start=0.8, sigma_end=0.2, annealing="linear")
    assert linear.score(images(1, 1, 2, 2), 0.5)[1] == pytest.approx(0.5)


@pytest.mark.parametrize("fields", [{"sigma_end": 0.0}, {"sigma_start": 0.1, "sigma_end": 0.2}])
def test_levels_that_make_no_sense(fields: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="noise cannot fall"):
        guided(*annealed(0.5), **fields)
