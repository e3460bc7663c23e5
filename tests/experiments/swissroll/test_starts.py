"""Several GANs a trial, one kept."""

from dataclasses import replace
from typing import cast

import pytest
import torch
from torch import Tensor, nn

from mapsr_cli.criteria.resolver import SuperResolver
from mapsr_cli.experiments.swissroll.starts import LATE, MOMENTS, Chosen, Contest
from mapsr_cli.experiments.swissroll.table1 import ROWS, run_row, settings_of
from mapsr_cli.experiments.swissroll.trials import recipe_of
from mapsr_cli.training.assembly import make_learner
from tests.experiments.swissroll.test_recipe import TINY, small_test


class Numbered(nn.Module):
    """Each channel's answer is x, and the channel's number."""

    def forward(self, x: Tensor) -> Tensor:
        numbers = torch.arange(x.shape[1], dtype=x.dtype).view(1, -1, 1, 1).expand(len(x), -1, 1, 1)
        return torch.cat([x, numbers], dim=3)


def contest(trials: int, starts: int) -> Contest:
    made = recipe_of("affgan", trials * starts, settings_of(ROWS["affgan"], TINY, 0, trials * starts))
    return Contest(cast(SuperResolver, make_learner(made)), trials, starts, seed=0)


def test_every_trial_is_answered_by_its_own_choice() -> None:
    x = torch.randn(5, 2, 1, 1)
    y = Chosen(Numbered(), 3, torch.tensor([1, 5]))(x)
    assert torch.equal(y[..., 0], x[..., 0])  # its own trial's x
    assert torch.equal(y[:, :, 0, 1], torch.tensor([1.0, 5.0]).expand(5, 2))


def test_the_least_divergence_is_kept_whatever_the_truth() -> None:
    judged = contest(2, 3)
    judged.divergences = [
        torch.tensor([[3.0, 1.0, 2.0], [0.0, 5.0, 1.0]]),
        torch.tensor([[3.0, 1.0, 2.0], [4.0, 0.0, 1.0]]),
    ]
    assert judged.decide(Numbered()).chosen.tolist() == [1, 5]


def test_late_moments_count_and_each_discriminator_judges_its_own() -> None:
    judged = contest(2, 2)
    result = judged.learner.generator.network.eval()
    judged.watch(result, MOMENTS - LATE - 1)
    assert not judged.divergences
    bare = next(player for name, player in judged.learner.players() if name == "discriminator").bare
    with torch.no_grad():  # logits are the last layer's bias: 1, 2, 3, 4
        for parameter in bare.parameters():
            parameter.zero_()
        last = list(bare.parameters())[-1]
        last.copy_(torch.arange(1.0, 5.0).view_as(last))
    judged.watch(result, MOMENTS - 1)
    assert torch.equal(judged.divergences[0], -torch.tensor([[1.0, 2.0], [3.0, 4.0]]))


def test_the_row_tells_of_every_start() -> None:
    entry = replace(ROWS["softgan"], starts=2)
    row, _ = run_row(entry, small_test(), TINY, trials=3, seed=0, watch=lambda status: None, priors={})
    assert [len(found) for found in row.starts] == [2, 2, 2]
    for kept, found in zip(row.entropies, row.starts, strict=True):
        assert any(kept == pytest.approx(one, rel=1e-6) for one in found)
    assert row.to_json(0.0)["starts"] == row.starts


def test_twins_start_as_often() -> None:
    assert ROWS["affgan"].starts == ROWS["softgan"].starts > 1
