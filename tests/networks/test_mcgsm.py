import math

import pytest
import torch
from torch import Tensor

from mapsr_cli.networks.mcgsm import Mcgsm, McgsmConfig

CONFIG = McgsmConfig(components=4, scales=3, features=6)


def trained(config: McgsmConfig = CONFIG, seed: int = 0) -> Mcgsm:
    """A likelihood in float64 all of whose parameters matter."""
    torch.manual_seed(seed)
    model = Mcgsm(5, config).double()
    with torch.no_grad():
        for parameter in (model.energies, model.weights, model.log_precisions):
            parameter.add_(0.5 * torch.randn_like(parameter))
    return model


def literal(model: Mcgsm, h: Tensor, v: Tensor) -> Tensor:
    """log p(v | h) for one h [D] and values v [M], as the equations have it: gates, then Gaussians."""
    b = model.features.weight.detach()[:, :, 0, 0]
    k = torch.einsum("cn,ni,nj->cij", model.energies.detach().square(), b, b)
    variance = (-model.log_precisions.detach()).exp() + model.config.floor**2
    gates = model.weights.detach() - 0.5 / variance * torch.einsum("i,cij,j->c", h, k, h)[:, None]
    gates = gates.flatten().softmax(0).view_as(gates)
    assert model.predictor.bias is not None
    means = model.predictor.weight.detach()[:, :, 0, 0] @ h + model.predictor.bias.detach()
    squares = (v[:, None, None] - means[:, None]) ** 2 / variance
    gaussians = (-0.5 * squares).exp() / (2 * math.pi * variance).sqrt()
    mixture: Tensor = (gates * gaussians).sum(dim=(1, 2)).log()
    return mixture


@pytest.mark.parametrize("seed", range(3))
def test_it_is_the_mixture_of_the_equations(seed: int) -> None:
    model = trained(seed=seed)
    h, v = torch.randn(5, dtype=torch.float64), torch.linspace(-3, 3, 50, dtype=torch.float64)
    maps = model(h.view(1, 5, 1, 1).expand(50, -1, -1, -1), v.view(50, 1, 1, 1))
    assert torch.allclose(maps.flatten(), literal(model, h, v), atol=1e-10)


@pytest.mark.parametrize("seed", range(3))
def test_density_integrates_to_one(seed: int) -> None:
    model = trained(seed=seed)
    v = torch.linspace(-40, 40, 400_001, dtype=torch.float64)
    h = torch.randn(1, 5, 1, 1, dtype=torch.float64).expand(-1, -1, 1, len(v))
    with torch.no_grad():
        p = model(h, v.view(1, 1, 1, -1)).exp().flatten()
    assert float(torch.trapezoid(p, v)) == pytest.approx(1, abs=1e-8)


def test_gradients_are_those_of_finite_differences() -> None:
    model = trained()
    h = torch.randn(2, 5, 2, 3, dtype=torch.float64, requires_grad=True)
    v = torch.randn(2, 1, 2, 3, dtype=torch.float64, requires_grad=True)
    names, parameters = zip(*model.named_parameters(), strict=True)

    def log_prob(h: Tensor, v: Tensor, *values: Tensor) -> Tensor:
        out = torch.func.functional_call(model, dict(zip(names, values, strict=True)), (h, v))
        assert isinstance(out, Tensor)
        return out

    assert torch.autograd.gradcheck(log_prob, (h, v, *parameters), atol=1e-6)


def test_pixels_are_independent_given_features() -> None:
    model = trained()
    h, v = torch.randn(2, 5, 3, 4, dtype=torch.float64), torch.randn(2, 1, 3, 4, dtype=torch.float64)
    one = model(h[1:, :, 2:, 3:], v[1:, :, 2:, 3:])
    assert torch.allclose(model(h, v)[1:, :, 2:, 3:], one, atol=1e-12)


def test_density_is_bounded() -> None:
    """However large its log precisions grow, no value is denser than the floor allows."""
    model = trained()
    with torch.no_grad():
        model.log_precisions.fill_(100)
        v = model.predictor(torch.zeros(1, 5, 1, 1, dtype=torch.float64))[:, :1]
        log_p = model(torch.zeros(1, 5, 1, 1, dtype=torch.float64), v)
    assert float(log_p) <= -0.5 * math.log(2 * math.pi) - math.log(CONFIG.floor)


def test_far_values_have_finite_gradients() -> None:
    model = trained().float()
    h = torch.full((1, 5, 1, 1), 100.0, requires_grad=True)
    v = torch.full((1, 1, 1, 1), -1000.0, requires_grad=True)
    log_p = model(h, v)
    gradients = torch.autograd.grad(log_p, (h, v, *model.parameters()))
    assert torch.isfinite(log_p)
    assert all(bool(g.isfinite().all()) for g in gradients)
