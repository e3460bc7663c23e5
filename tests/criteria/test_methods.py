"""What every method keeps to."""

from collections.abc import Callable
from contextlib import nullcontext
from copy import deepcopy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from mapsr_cli.criteria.base import Criterion
from mapsr_cli.criteria.denoiser_guided import DenoiserGuided
from mapsr_cli.criteria.density_guided import DensityGuided
from mapsr_cli.criteria.gan import GAN
from mapsr_cli.criteria.mae import MAE
from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.criteria.mse import MSE
from mapsr_cli.criteria.resolver import SuperResolver
from mapsr_cli.criteria.terms import TERMS
from mapsr_cli.networks import Affine, Compact, CompactConfig, Constraint, Estimator, Soft, Unconstrained
from mapsr_cli.operators import make_kernel
from tests.criteria.stage import Rehearsal, build, images, same, tiny_denoiser, tiny_density, tiny_judge, weights

KERNEL = make_kernel("bicubic", 4)
CONSTRAINTS: dict[str, Callable[[], Constraint]] = {
    "none": lambda: Unconstrained(KERNEL),
    "soft": lambda: Soft(KERNEL, 1.0),
    "affine": lambda: Affine(KERNEL),
}
WITH_TERMS: list[tuple[str, dict[str, Any]]] = [
    *(("affgan", {name: 0.5}) for name in TERMS),
    ("softgan", dict.fromkeys(("weight", *TERMS), 0.5)),
    *(("affmse", {name: 0.5}) for name in TERMS if name != "matching"),
    ("affdg", {"content": 0.5}),
    ("affgan", {"relativistic": True, "r1": 1.0, "r2": 1.0}),
]
"""Methods with something added."""
every_method = pytest.mark.parametrize(("name", "fields"), [*((name, {}) for name in METHODS), *WITH_TERMS])
every_criterion = pytest.mark.parametrize(
    ("criterion", "fields"),
    [
        *((criterion, {}) for criterion in dict.fromkeys(m.criterion for m in METHODS.values())),
        *((METHODS[name].criterion, fields) for name, fields in WITH_TERMS),
    ],
)


def learner(name: str, noise_dim: int = 0, **fields: object) -> SuperResolver:
    torch.manual_seed(0)
    generator = Compact(CompactConfig(4, 8, 1, noise_dim=noise_dim))
    method = METHODS[name]
    estimator = Estimator(generator, CONSTRAINTS[method.constraint]())
    return SuperResolver(estimator, build(method.criterion, tiny_judge(method.needs), **fields))


def stage(progress: float = 0.0) -> Rehearsal:
    return Rehearsal(lambda: images(2, 3, 16, 16), progress)


def test_the_table_holds_the_designs_rows() -> None:
    rows = {name: (method.constraint, method.criterion) for name, method in METHODS.items()}
    assert rows.items() >= {
        "mse": ("none", MSE), "mae": ("none", MAE), "affmse": ("affine", MSE), "affmae": ("affine", MAE),
        "softgan": ("soft", GAN), "affgan": ("affine", GAN),
        "softdg": ("soft", DenoiserGuided), "affdg": ("affine", DenoiserGuided),
        "softll": ("soft", DensityGuided), "affll": ("affine", DensityGuided),
    }.items()  # fmt: skip


@every_method
@pytest.mark.parametrize("noise_dim", [0, 2])
def test_a_step_moves_what_it_should(name: str, fields: dict[str, Any], noise_dim: int) -> None:
    method = learner(name, noise_dim, **fields)
    moving = [player.bare for _, player in method.players()]
    still = list(method.modules())
    before, before_still = [weights([module]) for module in moving], weights(still)
    report = method.step(stage())
    assert all(torch.isfinite(torch.as_tensor(value)) for value in report.values())
    assert not any(same(old, weights([module])) for old, module in zip(before, moving, strict=True))
    assert same(before_still, weights(still))
    assert ("penalty" in report) == (METHODS[name].constraint == "soft")
    assert report.keys() & TERMS.keys() == fields.keys() & TERMS.keys()


@every_method
def test_the_generators_step_moves_the_generator_alone(name: str, fields: dict[str, Any]) -> None:
    method = learner(name, **fields)
    criterion = method.criterion
    others = [player.bare for _, player in criterion.players()] + list(criterion.modules())
    before = weights(others)
    x, patches = method.examples(stage())
    loss, _ = criterion.loss(method.generator.network(x), patches.y, 0.5)
    loss.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in method.generator.network.parameters())
    assert all(p.grad is None for module in others for p in module.parameters())
    assert same(before, weights(others))
    assert all(p.requires_grad for _, player in criterion.players() for p in player.bare.parameters())


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        *((name, {}) for name in METHODS),
        ("affgan", {"noise": "adaptive", "noise_target": 0.6}),
        ("affgan", {"noise": "adaptive", "noise_target": 0.6, "content": 0.5}),
    ],
)
def test_state_is_enough_to_go_on(name: str, fields: dict[str, Any]) -> None:
    """With weights, optimisers and `state()`, another learner takes the very step that the first takes next."""
    first, second = learner(name, 0, **fields), learner(name, 0, **fields)
    before = first.state()
    first.step(stage())
    assert (first.state() != before) == bool(fields)  # only adaptive noise has something of its own to keep
    for (_, ours), (_, theirs) in zip(first.players(), second.players(), strict=True):
        theirs.bare.load_state_dict(ours.bare.state_dict())
        theirs.optimiser.load_state_dict(deepcopy(ours.optimiser.state_dict()))
    second.load_state(first.state())
    reports = []
    for method in (first, second):
        torch.manual_seed(1)
        reports.append({key: float(value) for key, value in method.step(stage(0.5)).items()})
    assert reports[0] == reports[1]
    assert first.state() == second.state()
    for (_, ours), (_, theirs) in zip(first.players(), second.players(), strict=True):
        assert same(weights([ours.bare]), weights([theirs.bare]))


@every_criterion
@pytest.mark.parametrize("progress", [0.0, 0.5, 1.0])
def test_any_progress_will_do(criterion: type[Criterion], fields: dict[str, Any], progress: float) -> None:
    judged = build(criterion, tiny_judge(criterion.needs), **fields)
    judged.bind(Affine(KERNEL))
    y = images(2, 3, 16, 16)
    judged.prepare(stage(progress), lambda: (y, y.flip(0)))
    loss, _ = judged.loss(y.flip(0).requires_grad_(), y, progress)
    assert torch.isfinite(loss)


@pytest.fixture
def meta(monkeypatch: pytest.MonkeyPatch) -> Rehearsal:
    monkeypatch.setattr(torch, "autocast", lambda *args, **kwargs: nullcontext())  # which knows no meta device
    return Rehearsal(lambda: torch.empty(2, 3, 16, 16, device="meta"))


@every_criterion
def test_its_own_tensors_are_made_where_the_images_are(
    criterion: type[Criterion], fields: dict[str, Any], meta: Rehearsal
) -> None:
    """On the meta device, which refuses to mix with tensors of the CPU as a GPU does."""
    if criterion.needs == "discriminator":
        fields = {"noise": "adaptive", **fields}
    judge = tiny_judge(criterion.needs)
    judged = build(criterion, judge and judge.to("meta"), **fields)
    judged.bind(Affine(KERNEL))
    for module in judged.modules():
        module.to("meta")
    y, estimate = meta.draw().y, meta.draw().y.requires_grad_()
    for _ in range(2):  # the second meets what the first left
        judged.prepare(meta, lambda: (y, estimate.detach()))
        loss, report = judged.loss(estimate, y, 0.5)
        loss.backward()  # type: ignore[no-untyped-call]
    assert estimate.grad is not None
    assert all(value.is_meta for value in [loss, *report.values()] if isinstance(value, Tensor))


PRIOR_NETWORKS: dict[str, list[Callable[[], nn.Module]]] = {
    "denoiser": [tiny_denoiser, lambda: tiny_denoiser(conditional=True)],
    "density": [tiny_density],
}


@pytest.mark.parametrize(("name", "network"), [(n, network) for n in PRIORS for network in PRIOR_NETWORKS[n]])
def test_priors_learn_from_draws_alone(name: str, network: Callable[[], nn.Module], meta: Rehearsal) -> None:
    torch.manual_seed(0)
    kind = next(learner for key, learner in PRIORS.items() if key == name)
    prior = kind(kind.Config(), network())
    [(_, player)] = prior.players()
    before = weights([player.bare])
    report = prior.step(stage())
    assert all(torch.isfinite(torch.as_tensor(value)) for value in report.values())
    assert not same(before, weights([player.bare]))
    prior = kind(kind.Config(), network().to("meta"))
    report = prior.step(meta)
    assert all(value.is_meta for value in report.values() if isinstance(value, Tensor))
