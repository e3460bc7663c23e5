import copy

import pytest
import torch
from torch import nn

from mapsr_cli.criteria.base import CriterionConfig
from mapsr_cli.criteria.density import MaximumLikelihoodConfig
from mapsr_cli.criteria.muon import Muon, orthogonal
from mapsr_cli.errors import UsageError


def convolutions() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(*(nn.Conv2d(i, o, 3, padding=1) for i, o in ((3, 8), (8, 8), (8, 8), (8, 12))))


@pytest.mark.parametrize("shape", [(3, 16, 16), (2, 8, 72), (2, 72, 8)])
def test_orthogonal_keeps_singular_vectors_and_evens_out_singular_values(shape: tuple[int, ...]) -> None:
    least = min(shape[1:])
    u, _, v = torch.linalg.svd(torch.randn(shape, generator=torch.Generator().manual_seed(0)).double())
    u, v = u[..., :least], v[..., :least, :]
    values = torch.logspace(0, -1, least, dtype=torch.float64)
    found = orthogonal(7 * (u * values) @ v)
    kept = u.mT @ found @ v.mT
    assert torch.allclose(kept, torch.diag_embed(kept.diagonal(dim1=1, dim2=2)), atol=1e-10)
    assert torch.allclose(found, u @ kept @ v, atol=1e-10)
    assert ((kept.diagonal(dim1=1, dim2=2) > 0.65) & (kept.diagonal(dim1=1, dim2=2) < 1.25)).all()


@pytest.mark.parametrize(("size", "step"), [(0.0, 0), (1e-40, 0), (1e-19, 0), (1e-13, 1), (1e-6, 1)])
def test_no_gradient_no_step(size: float, step: int) -> None:
    """What a momentum decays to when its layer has died: its squares underflow in float32."""
    matrix = size * torch.randn(1, 4, 9, generator=torch.Generator().manual_seed(0))
    largest = torch.linalg.matrix_norm(orthogonal(matrix), 2).item()
    assert 0.6 * step <= largest < 1e-3 + 1.25 * step


def test_hidden_weights_take_steps_of_adams_size_whatever_their_gradients() -> None:
    for strength in (1.0, 1e4):
        network = convolutions()
        before = {name: p.detach().clone() for name, p in network.named_parameters()}
        optimiser = Muon(network, 1e-2, 1e-3, (0.9, 0.99))
        (strength * network(torch.rand(2, 3, 8, 8)).square().mean()).backward()
        optimiser.step()
        moved = {
            name: (p.detach() - before[name]).square().mean().sqrt().item() for name, p in network.named_parameters()
        }
        assert all(0.5e-3 < moved[f"{layer}.weight"] < 2.5e-3 for layer in (1, 2)), moved
        rest = [size for name, size in moved.items() if name not in ("1.weight", "2.weight")]
        assert rest == pytest.approx(len(rest) * [1e-3], rel=1e-2)  # Adam's first step


def test_a_config_without_a_rate_for_it_means_adam() -> None:
    assert type(CriterionConfig().optimiser(convolutions())) is torch.optim.Adam
    assert isinstance(CriterionConfig(muon_rate=1e-3).optimiser(convolutions()), Muon)


def test_networks_without_hidden_weights_are_refused() -> None:
    with pytest.raises(UsageError, match="between the first and the last"):
        Muon(nn.Linear(2, 2), 1e-2, 1e-3, (0.9, 0.99))


def test_density_models_are_refused() -> None:
    with pytest.raises(UsageError, match="muon_rate"):
        MaximumLikelihoodConfig(muon_rate=1e-3)


def test_goes_on_where_its_state_was_saved() -> None:
    def train(network: nn.Module, optimiser: Muon, steps: int) -> None:
        for step in range(steps):
            torch.manual_seed(step)
            network(torch.rand(2, 3, 8, 8)).square().mean().backward()
            optimiser.step()
            optimiser.zero_grad()

    first, second = convolutions(), convolutions()
    before = Muon(first, 1e-2, 1e-3, (0.9, 0.99))
    train(first, before, 3)
    second.load_state_dict(first.state_dict())
    after = Muon(second, 1e-2, 1e-3, (0.9, 0.99))
    after.load_state_dict(copy.deepcopy(before.state_dict()))
    train(first, before, 2)
    train(second, after, 2)
    assert all(torch.equal(p, q) for p, q in zip(first.parameters(), second.parameters(), strict=True))


def test_products_of_half_precision_give_nearly_the_same_step() -> None:
    matrices = torch.randn(2, 16, 72, generator=torch.Generator().manual_seed(0))
    exact = orthogonal(matrices)
    with torch.autocast("cpu", torch.bfloat16):
        rounded = orthogonal(matrices)
    assert rounded.dtype == torch.float32
    assert not torch.equal(exact, rounded)
    assert torch.cosine_similarity(exact.flatten(), rounded.flatten(), 0) > 0.999
    assert (torch.linalg.svdvals(rounded) < 1.3).all()
