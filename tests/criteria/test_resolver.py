import torch
from torch import Tensor, nn

from mapsr_cli.criteria.base import Criterion, Patches, Scalars, Stage
from mapsr_cli.criteria.resolver import SuperResolver
from mapsr_cli.networks import Affine, Compact, CompactConfig, Estimator, Soft
from mapsr_cli.operators import make_kernel
from tests.criteria.stage import Rehearsal, build, images

KERNEL = make_kernel("bicubic", 4)


def generator(noise_dim: int = 0) -> Compact:
    torch.manual_seed(0)
    network = Compact(CompactConfig(4, 8, 1, noise_dim=noise_dim))
    nn.init.normal_(network.tail.weight, std=0.05)  # as if it had learnt something
    return network


def test_a_stochastic_generator_has_many_answers_all_consistent() -> None:
    """Appendix F: ŷ = Π f(x, z) with fresh z, so A ŷ = x for each."""
    estimator = Estimator(generator(noise_dim=2), Affine(KERNEL))
    assert estimator.noise_dim == 2
    x = images(2, 3, 4, 4)
    first, second = estimator(x), estimator(x)
    assert (first - second).abs().mean() > 1e-3
    for estimate in (first, second):
        assert torch.allclose(estimator.constraint.down(estimate), x, atol=1e-5)
    alone = Estimator(generator(), Affine(KERNEL))
    assert torch.equal(alone(x), alone(x))


class Watches(Criterion):
    """Takes note of what it is lent; wants estimates of zero."""

    def __init__(self) -> None:
        super().__init__(self.Config())
        self.seen: list[tuple[Tensor, Tensor]] = []

    def prepare(self, stage: Stage, sample):  # type: ignore[no-untyped-def]
        self.seen += [sample(), sample()]
        return {"judged": 1.0}

    def loss(self, estimate: Tensor, truth: Tensor, progress: float) -> tuple[Tensor, Scalars]:
        self.progress, self.truth = progress, truth
        return estimate.square().mean(), {"loss": progress}


def test_what_a_criterion_is_lent() -> None:
    criterion = Watches()
    method = SuperResolver(Estimator(generator(), Soft(KERNEL, 10.0)), criterion)
    drawn = iter(images(3, 2, 3, 16, 16))
    report = method.step(Rehearsal(lambda: next(drawn), 0.25))
    (y, estimate), (other, _) = criterion.seen
    assert torch.equal(y, images(3, 2, 3, 16, 16)[0])
    assert torch.equal(other, images(3, 2, 3, 16, 16)[1])
    assert estimate.shape == y.shape
    assert not estimate.requires_grad
    assert (report["judged"], report["loss"], criterion.progress) == (1.0, 0.25, 0.25)
    assert float(report["penalty"]) > 0


def test_lr_patches_as_files_have_them() -> None:
    """`rounded`: whole levels of 0 … 255, within half a level of A y, and clipped where A overshoots."""
    y = torch.zeros(1, 3, 16, 16)
    y[..., 6:] = 1  # an edge: bicubic overshoots
    exact, rounded = (
        SuperResolver(Estimator(generator(), Affine(KERNEL)), Watches(), rounded=told).examples(Rehearsal(lambda: y))[0]
        for told in (False, True)
    )
    assert exact.min() < 0
    assert exact.max() > 1
    levels = rounded * 255
    assert torch.allclose(levels, levels.round(), atol=1e-4)
    assert (rounded - exact.clamp(0, 1)).abs().max() <= 0.5 / 255 + 1e-6
    assert not torch.equal(rounded, exact)


def test_a_teacher_stands_in_for_part_of_the_image() -> None:
    """x is A y, and the criterion compares with the blend, not with y."""
    y, blend = images(2, 1, 3, 16, 16)
    criterion = Watches()
    method = SuperResolver(Estimator(generator(), Affine(KERNEL)), criterion)
    x, patches = method.examples(Rehearsal(lambda: Patches(y, blend)))
    assert torch.equal(patches.y, y)
    assert torch.allclose(x, method.constraint.down(y))
    method.step(Rehearsal(lambda: Patches(y, blend)))
    assert criterion.truth is blend


class Indifferent(Criterion):
    """Any estimate will do."""

    def loss(self, estimate: Tensor, truth: Tensor, progress: float) -> tuple[Tensor, Scalars]:
        return 0 * estimate.sum(), {"loss": 0.0}


def test_the_penalty_alone_teaches_consistency() -> None:
    y = images(2, 3, 16, 16)
    method = SuperResolver(Estimator(generator(), Soft(KERNEL, 1.0)), build(Indifferent, rate=1e-2))
    penalties = [float(method.step(Rehearsal(lambda: y))["penalty"]) for _ in range(40)]
    assert penalties[-1] < 0.6 * penalties[0]
