"""Measures against what can be computed by hand."""

import pytest
import torch
from torch import Tensor, nn

from mapsr_cli.evaluation.texture import gradient_energy
from mapsr_cli.experiments.images.scores import estimates, first_step, history, score
from mapsr_cli.networks import Affine, Estimator, PaperGeneratorConfig, Unconstrained, build
from mapsr_cli.operators import downsampling, make_kernel

KERNEL = make_kernel("gaussian9", 4)
TRUTHS = torch.rand(20, 3, 32, 32, generator=torch.Generator().manual_seed(0))


class Fixed(nn.Module):
    """Knows the truths, and is off by what it is told."""

    def __init__(self, truths: Tensor, error: float) -> None:
        super().__init__()
        self.config = PaperGeneratorConfig()
        self.rest, self.error = truths, error

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        some, self.rest = self.rest[: len(x)], self.rest[len(x) :]
        return some + self.error


def test_an_estimator_that_is_off_by_a_tenth() -> None:
    truths = 0.5 * TRUTHS + 0.2
    found = score(Estimator(Fixed(truths, 0.1), Unconstrained(KERNEL)), truths)
    assert found.psnr == pytest.approx(20.0, abs=1e-4)
    assert found.mse == pytest.approx(0.01, rel=1e-4)
    assert found.consistency_mse == pytest.approx(0.01, rel=1e-4)
    assert found.gradient_energy == pytest.approx(1.0, rel=1e-4)
    assert 0.5 < found.ssim < 1


def test_clipping_is_for_pictures_not_for_consistency() -> None:
    truths = (TRUTHS > 0.5).float()
    found = score(Estimator(Fixed(truths, 0.1), Unconstrained(KERNEL)), truths)
    assert found.mse == pytest.approx(0.01 * (1 - truths.mean().item()), rel=1e-4)
    assert found.consistency_mse == pytest.approx(0.01, rel=1e-4)


def test_the_projection_is_consistent_to_1e_13() -> None:
    torch.manual_seed(0)
    network = Estimator(build(PaperGeneratorConfig(widths=(8, 8))), Affine(KERNEL)).eval()
    assert score(network, TRUTHS).consistency_mse < 1e-13


def test_gradient_energy_is_what_it_says() -> None:
    y = torch.tensor([[0.0, 1.0, 1.0], [0.0, 3.0, 1.0]])
    assert gradient_energy(y) == pytest.approx((0 + 4 + 0) / 3 + (1 + 0 + 9 + 4) / 4)


def test_noise_is_drawn_from_the_seed_and_leaves_the_generator_alone() -> None:
    network = Estimator(build(PaperGeneratorConfig(widths=(8, 8), noise_dim=2)), Affine(KERNEL)).eval()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    first, again, other = (torch.cat([y for _, y in estimates(network, TRUTHS, seed)]) for seed in (1, 1, 2))
    assert torch.equal(torch.rand(1), expected)
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)
    op = downsampling(KERNEL, (32, 32))
    assert (op.down(other) - op.down(TRUTHS)).square().mean() < 1e-13


def test_when_a_level_was_reached() -> None:
    course = [(step, Estimator(Fixed(TRUTHS, error), Unconstrained(KERNEL))) for step, error in ((5, 0.2), (10, 0.1))]
    told = history(course, TRUTHS)
    assert [moment["step"] for moment in told] == [5, 10]
    assert first_step(told, "psnr", told[1]["psnr"]) == 10
    assert first_step(told, "psnr", 60.0) is None
