import torch

from mapsr_cli.criteria.mae import MAE
from tests.criteria.stage import build, images


def test_its_best_estimate_is_the_median() -> None:
    """Eqn (1) with ℓ = |y − ŷ|: as many truths above as below."""
    truths = images(9, 1, 2, 2, dtype=torch.float64)
    for offset, is_best in ((0.0, True), (0.3, False)):
        estimate = (truths.median(0).values + offset).requires_grad_()
        loss, report = build(MAE).loss(estimate.expand(9, -1, -1, -1), truths, 0.0)
        (gradient,) = torch.autograd.grad(loss, estimate)
        assert bool((gradient.abs() < 1e-12).all()) == is_best
        assert torch.equal(torch.as_tensor(report["loss"]), (truths - estimate.detach()).abs().mean())
