import pytest
import torch
from torch import Tensor, nn

from mapsr_cli.criteria.denoising import Denoising, DenoisingConfig
from mapsr_cli.errors import UsageError
from mapsr_cli.networks import MlpDenoiser, MlpDenoiserConfig
from tests.criteria.stage import Denoises, Rehearsal, images


class Shrinks(nn.Module):
    """f(y) = a·y, to be learnt; keeps what it was shown and told."""

    def __init__(self, *, conditional: bool = False) -> None:
        super().__init__()
        self.config = Denoises(1.0, None if conditional else 1.0).config
        self.factor = nn.Parameter(torch.ones(()))
        self.seen, self.told = torch.empty(0), torch.empty(0)

    def forward(self, y: Tensor, sigma: Tensor | None = None) -> Tensor:
        self.seen = y.detach()
        if sigma is not None:
            self.told = sigma
        return self.factor * y


def test_the_noise_falls_with_progress() -> None:
    torch.manual_seed(0)
    network = Shrinks()
    learner = Denoising(DenoisingConfig(sigma_start=0.5, sigma_end=0.02), network)
    y = images(8, 3, 32, 32)
    for progress, sigma in ((0.0, 0.5), (0.5, 0.1), (1.0, 0.02)):
        loss, report = learner.loss(y, progress)
        assert report["sigma"] == learner.level(progress) == pytest.approx(sigma)
        assert float((network.seen - y).std()) == pytest.approx(sigma, rel=0.03)
        assert loss.item() == pytest.approx(sigma**2, rel=0.06)  # f is the identity so far
    linear = Denoising(DenoisingConfig(sigma_start=0.5, sigma_end=0.25, annealing="linear"), network)
    assert [linear.level(progress) for progress in (0.0, 0.5, 1.0)] == pytest.approx([0.5, 0.375, 0.25])


def test_a_conditional_denoiser_sees_every_level_all_along() -> None:
    torch.manual_seed(0)
    network = Shrinks(conditional=True)
    learner = Denoising(DenoisingConfig(sigma_start=1.0, sigma_end=0.01), network)
    y = images(2000, 1, 8, 8)
    loss, _ = learner.loss(y, 0.9)
    assert learner.level(0.0) == learner.level(1.0) == 0.01
    assert network.told.shape == (2000,)
    logs = network.told.log10()  # uniform on −2 … 0
    assert float(logs.min()) == pytest.approx(-2, abs=0.01)
    assert float(logs.mean()) == pytest.approx(-1, abs=0.05)
    assert float(logs.std()) == pytest.approx(2 / 12**0.5, abs=0.03)
    spread = (network.seen - y).flatten(1).std(1) / network.told
    assert float(spread.mean()) == pytest.approx(1, abs=0.02)
    assert loss.item() == pytest.approx(1, abs=0.02)  # each level's error is one, whatever its σ


def test_it_learns_the_gaussians_denoiser() -> None:
    """Eqn (12): for N(0, s² I) the best denoiser has slope s²/(s² + σ²), so the score is −y/(s² + σ²)."""
    torch.manual_seed(0)
    network = Shrinks()
    learner = Denoising(DenoisingConfig(rate=0.05, sigma_start=0.5, sigma_end=0.5), network)
    stage = Rehearsal(lambda: 0.8 * torch.randn(2000, 1, 1, 2))
    for _ in range(60):
        learner.step(stage)
    assert network.factor.item() == pytest.approx(0.64 / (0.64 + 0.25), abs=0.03)


@pytest.mark.parametrize("conditional", [False, True])
def test_a_network_learns_it_too(conditional: bool) -> None:
    torch.manual_seed(0)
    network = MlpDenoiser(MlpDenoiserConfig(hidden=(32,), conditional=conditional))
    config = DenoisingConfig(rate=0.01, sigma_start=0.6, sigma_end=0.4)
    learner = Denoising(config, network)
    stage = Rehearsal(lambda: torch.randn(500, 1, 1, 2))
    for _ in range(120):
        learner.step(stage)
    sigma = 0.5 if conditional else config.sigma_start  # progress stays 0
    y = torch.tensor([[1.0, 0.0], [0.0, -1.0], [0.7, 0.7]]).reshape(3, 1, 1, 2)
    score = (network(y, sigma) - y) / sigma**2
    assert torch.allclose(score, -y / (1 + sigma**2), rtol=0, atol=0.2)


def test_levels_that_make_no_sense() -> None:
    with pytest.raises(UsageError, match="noise cannot fall"):
        DenoisingConfig(sigma_start=0.001)
