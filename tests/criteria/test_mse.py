import torch

from mapsr_cli.criteria.mse import MSE
from tests.criteria.stage import build, images


def test_its_best_estimate_is_the_mean() -> None:
    """Eqn (1) with ℓ_MSE: the gradient vanishes at the mean of what could have been, and nowhere else."""
    truths = images(9, 1, 2, 2, dtype=torch.float64)
    for offset in (0.0, 0.1):
        estimate = (truths.mean(0) + offset).requires_grad_()
        loss, report = build(MSE).loss(estimate.expand(9, -1, -1, -1), truths, 0.0)
        (gradient,) = torch.autograd.grad(loss, estimate)
        assert torch.allclose(gradient, torch.full_like(gradient, 2 * offset / 4), rtol=0, atol=1e-12)
        assert torch.equal(torch.as_tensor(report["loss"]), (truths - estimate.detach()).square().mean())
