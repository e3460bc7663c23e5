import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.criteria.gan import GAN
from mapsr_cli.criteria.judging import held, shifted
from mapsr_cli.errors import UsageError
from mapsr_cli.networks import Affine, Discriminator, DiscriminatorConfig
from mapsr_cli.operators import make_kernel
from tests.criteria.stage import Rehearsal, build, images, same, tiny_discriminator, weights

DOUBLE = torch.float64


def gan(judge: nn.Module, **fields: object) -> GAN:
    criterion = build(GAN, judge, **fields)
    assert isinstance(criterion, GAN)
    return criterion


class Logistic(nn.Module):
    """a + b·y for images of one pixel: the optimum between Gaussians of equal spread."""

    def __init__(self) -> None:
        super().__init__()
        self.line = nn.Linear(1, 1)
        nn.init.zeros_(self.line.weight)
        nn.init.zeros_(self.line.bias)

    def forward(self, y: Tensor) -> Tensor:
        logits: Tensor = self.line(y.flatten(1)).squeeze(1)
        return logits


class Spy(nn.Module):
    """Keeps what it was shown."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.seen = torch.empty(0)

    def forward(self, y: Tensor) -> Tensor:
        self.seen = y.detach()
        return self.weight * y.flatten(1).mean(1)


class Local(nn.Module):
    """A logit per position: the values themselves."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones((), dtype=DOUBLE))

    def forward(self, y: Tensor) -> Tensor:
        return self.weight * y.flatten(1)


def test_local_logits_are_judged_one_by_one() -> None:
    """A spot that D likes very much costs D a loss, though the image's mean is told right."""
    criterion = gan(Local(), noise="none")
    y = torch.full((2, 1, 2, 2), 5.0, dtype=DOUBLE)
    estimate = -y
    told, _ = criterion.discriminate(y, estimate, 0.0)
    assert told.item() == pytest.approx(math.log1p(math.exp(-5)), rel=1e-10)
    estimate[0, 0, 0, 0] = 8.0
    fooled, _ = criterion.discriminate(y, estimate, 0.0)
    assert estimate[0].mean() < 0
    assert (fooled - told).item() == pytest.approx((math.log1p(math.exp(8)) - math.log1p(math.exp(-5))) / 16, rel=1e-10)
    assert criterion.loss(estimate, y, 0.0)[0].item() == pytest.approx(-estimate.mean().item(), rel=1e-10)


@pytest.mark.parametrize("most", [1, 2, 3])
def test_shift_shows_images_and_estimates_alike_at_every_place(most: int) -> None:
    """D sees both kinds moved alike and mirrored at the edges; over time, at every place that there is."""
    spy = Spy()
    criterion = gan(spy, noise="none", shift=most)
    y = torch.arange(48.0, dtype=DOUBLE).view(1, 1, 6, 8)
    wider = np.pad(y[0, 0].numpy(), (most + 1) // 2, mode="reflect")
    wanted = {wider[top : top + 6, left : left + 8].tobytes() for top in range(most + 1) for left in range(most + 1)}
    found = set()
    for _ in range(150):
        criterion.discriminate(y, -y, 0.0)
        real, fake = spy.seen
        assert torch.equal(real, -fake)
        found.add(real[0].numpy().tobytes())
    assert found == wanted
    criterion.loss(y, y, 0.0)  # the generator's step as well
    assert spy.seen.shape == (1, 1, 6, 8)


def test_every_pixel_is_seen_in_most_places_even_at_the_edges() -> None:
    """Of a crop, the outermost pixels would be seen once in 81 places, and could be anything."""
    seen = torch.zeros(12, 12)
    for _ in range(400):
        y = torch.zeros(1, 1, 12, 12, requires_grad=True)
        (gradient,) = torch.autograd.grad(shifted(y, 8).sum(), y)
        seen += gradient[0, 0] > 0
    assert seen.min() > 0.2 * 400
    assert seen[0, 4:8].min() > 0.45 * 400


def test_a_shift_must_leave_something_to_mirror() -> None:
    with pytest.raises(UsageError, match="shift"):
        gan(Spy(), shift=-1)
    with pytest.raises(UsageError, match="shift of 12 cannot be mirrored in 6×8"):
        gan(Spy(), shift=12).loss(torch.zeros(1, 1, 6, 8), torch.zeros(1, 1, 6, 8), 0.0)


def test_divergence_is_what_loss_averages() -> None:
    criterion = gan(Local(), noise="none")
    estimate = torch.randn(3, 1, 2, 2, dtype=DOUBLE)
    each = criterion.divergence(estimate, estimate, 0.0)
    assert torch.equal(each, -estimate.flatten(1))
    assert criterion.loss(estimate, estimate, 0.0)[0].item() == pytest.approx(each.mean().item(), rel=1e-12)


def gaussian(n: int, mean: float, spread: float = 1.0) -> Tensor:
    return mean + spread * torch.randn(n, 1, 1, 1)


def pair(n: int, gap: float, spread: float = 1.0) -> Callable[[], tuple[Tensor, Tensor]]:
    return lambda: (gaussian(n, 0.0, spread), gaussian(n, gap, spread))


def idle(progress: float = 0.0) -> Rehearsal:
    return Rehearsal(lambda: images(2, 3, 16, 16), progress)


def test_the_generators_gradient_is_minus_that_of_the_logit() -> None:
    """Eqn (10) as NOTES put it right: ∂/∂ŷ of E[−logit], not of log(1 − D) nor of −log D."""
    judge = tiny_discriminator(batch_norm=False).double()
    estimate = images(3, 3, 16, 16, dtype=DOUBLE).requires_grad_()
    loss, report = gan(judge, noise="none").loss(estimate, estimate.detach(), 0.0)
    logits = judge(estimate)
    assert torch.allclose(loss, -logits.mean(), rtol=0, atol=1e-12)
    assert report["loss"] == loss
    (found,) = torch.autograd.grad(loss, estimate)
    (wanted,) = torch.autograd.grad(-logits.sum() / 3, estimate)
    assert torch.allclose(found, wanted, rtol=0, atol=1e-12)


def test_the_discriminators_loss_is_eqn_10() -> None:
    judge = tiny_discriminator(batch_norm=False).double()
    y, estimate = images(4, 3, 16, 16, dtype=DOUBLE), images(4, 3, 16, 16, seed=1, dtype=DOUBLE)
    loss, report = gan(judge, noise="none").discriminate(y, estimate, 0.0)
    real, fake = judge(y).sigmoid(), judge(estimate).sigmoid()
    wanted = -(real.log().mean() + (1 - fake).log().mean()) / 2
    assert torch.allclose(loss, wanted, rtol=0, atol=1e-10)
    assert report["d_real"] == judge(y).mean()
    assert report["d_fake"] == judge(estimate).mean()


def test_logits_of_any_size_are_finite() -> None:
    judge = Logistic()
    nn.init.constant_(judge.line.weight, 1e6)
    loss, _ = gan(judge, noise="none").discriminate(gaussian(9, -1.0), gaussian(9, 1.0), 0.0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert torch.isfinite(loss)
    assert loss > 1e5
    assert judge.line.weight.grad is not None
    assert judge.line.weight.grad.isfinite().all()


def test_one_batch_for_both_kinds() -> None:
    """The generator meets the logits that the discriminator was trained on: batch statistics of the mixture."""
    judge = tiny_discriminator()
    criterion = gan(judge, noise="none")
    y, estimate = images(4, 3, 16, 16), 0.2 * images(4, 3, 16, 16, seed=1)
    before = weights([judge])
    loss, _ = criterion.loss(estimate, y, 0.0)
    assert same(before, weights([judge]))
    _, report = criterion.discriminate(y, estimate, 0.0)
    assert torch.equal(-loss, torch.as_tensor(report["d_fake"]))
    assert not torch.allclose(-loss, judge(estimate).mean())
    assert not torch.allclose(-loss, judge.eval()(estimate).mean())


def test_at_its_optimum_the_discriminator_gives_the_kl_divergence() -> None:
    """Eqns (16)–(20): between q = N(1, 1) and p = N(0, 1), logit = ½ − y, and KL[q‖p] = ½."""
    torch.manual_seed(0)
    judge = Logistic()
    criterion = gan(judge, noise="none", discriminator_steps=200, discriminator_limit=200, discriminator_rate=0.05)
    criterion.prepare(idle(), pair(512, 1.0))
    assert judge.line.bias.item() == pytest.approx(0.5, abs=0.1)
    assert judge.line.weight.item() == pytest.approx(-1.0, abs=0.1)
    loss, _ = criterion.loss(gaussian(4000, 1.0), gaussian(4000, 0.0), 0.0)
    assert float(loss) == pytest.approx(0.5, abs=0.1)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
def test_optimum_under_label_smoothing(smoothing: float) -> None:
    """Where p and q are one, D* = (1 − ε) p/(p + q) = (1 − ε)/2: the bias that instance noise does not have."""
    judge = Logistic().double()
    chance = torch.tensor((1 - smoothing) / 2, dtype=DOUBLE)
    nn.init.constant_(judge.line.bias, float(chance.logit()))
    y = gaussian(50, 0.0).double()
    loss, _ = gan(judge, noise="none", label_smoothing=smoothing).discriminate(y, y, 0.0)
    loss.backward()  # type: ignore[no-untyped-call]
    assert judge.line.bias.grad is not None
    assert abs(float(judge.line.bias.grad)) < 1e-12


@pytest.mark.parametrize(("progress", "sigma"), [(0.0, 0.4), (0.5, 0.25), (1.0, 0.1)])
def test_instance_noise_falls_linearly_and_is_on_both_kinds_alike(progress: float, sigma: float) -> None:
    torch.manual_seed(0)
    spy = Spy()
    criterion = gan(spy, noise_start=0.4, noise_end=0.1)
    y, estimate = images(20, 3, 16, 16), images(20, 3, 16, 16, seed=1)
    _, report = criterion.discriminate(y, estimate, progress)
    assert report["sigma"] == pytest.approx(sigma)
    noise = spy.seen - torch.cat([y, estimate])
    for part in noise.chunk(2):
        assert float(part.std()) == pytest.approx(sigma, rel=0.03)
        assert abs(float(part.mean())) < 0.03 * sigma
    correlation = (noise[:20] * noise[20:]).mean() / sigma**2
    assert abs(float(correlation)) < 0.05


@pytest.mark.parametrize(("progress", "sigma"), [(0.0, 0.4), (0.5, 0.2), (1.0, 0.1)])
def test_geometric_noise_falls_by_equal_ratios(progress: float, sigma: float) -> None:
    noise = gan(Spy(), noise="geometric", noise_start=0.4, noise_end=0.1).noise
    assert noise.sigma(progress) == pytest.approx(sigma)
    noise.observe(0.0)
    assert noise.sigma(progress) == pytest.approx(sigma)


@pytest.mark.parametrize("steady", [False, True])
def test_the_discriminator_may_keep_its_rate(steady: bool) -> None:
    assert gan(Spy(), discriminator_steady=steady).discriminator.steady is steady


def test_the_generator_sees_the_noise_too() -> None:
    torch.manual_seed(0)
    held: list[Tensor] = []
    judge = Spy()
    judge.register_forward_hook(lambda module, inputs, output: held.append(inputs[0].detach()))
    estimate = images(20, 3, 16, 16)
    gan(judge, noise_start=0.3, noise_end=0.3).loss(estimate, estimate, 0.7)
    assert held[0].shape == estimate.shape  # no batch statistics, no company
    assert float((held[0] - estimate).std()) == pytest.approx(0.3, rel=0.03)


def test_adaptive_noise_holds_the_discriminators_loss() -> None:
    """Appendix C, on two Gaussians: σ settles where the loss is the target, and falls when they draw near."""
    torch.manual_seed(0)
    config = {"noise_start": 2.0, "noise_target": 0.6, "noise_gain": 0.5}
    criterion = gan(Logistic(), noise="adaptive", discriminator_rate=0.2, **config)
    settled = []
    for gap in (1.0, 0.5):
        reports = [criterion.prepare(idle(), pair(2048, gap, 0.2)) for _ in range(120)]
        losses = torch.stack([torch.as_tensor(report["d_loss"]) for report in reports])
        assert float(losses[-40:].mean()) == pytest.approx(0.6, abs=0.01)
        sigmas = torch.stack([torch.as_tensor(report["sigma"]) for report in reports])
        settled.append(float(sigmas[-40:].mean()))
    # The loss depends on gap/√(spread² + σ²) alone: half the gap, half the spread of the noisy data.
    wide, narrow = (math.hypot(0.2, sigma) for sigma in settled)
    assert wide / narrow == pytest.approx(2, rel=0.15)


def test_adaptive_noise_stays_in_its_bounds_and_ignores_what_is_not_finite() -> None:
    noise = gan(Spy(), noise="adaptive", noise_start=0.5, noise_end=0.1, noise_gain=1.0).noise
    for loss, sigma in ((math.nan, 0.5), (math.inf, 0.5), (0.0, 0.5), (9.0, 0.1), (9.0, 0.1)):
        noise.observe(torch.tensor(loss))
        assert float(noise.sigma(0.0)) == pytest.approx(sigma)
    noise.observe(0.0)
    assert float(noise.sigma(0.0)) > 0.1


def test_adaptive_noise_is_kept() -> None:
    first, second = (gan(Spy(), noise="adaptive") for _ in range(2))
    for _ in range(5):
        first.noise.observe(torch.rand(()))
    second.load_state(first.state())
    assert torch.equal(torch.as_tensor(first.noise.sigma(0)), torch.as_tensor(second.noise.sigma(0)))
    assert gan(Spy(), noise="linear").state() == {}


def test_steps_of_the_discriminator() -> None:
    drawn = 0

    def sample() -> tuple[Tensor, Tensor]:
        nonlocal drawn
        drawn += 1
        return pair(8, 1.0)()

    report = gan(Logistic(), discriminator_steps=3).prepare(idle(), sample)
    assert report["d_steps"] == drawn == 3


def test_until_its_loss_stops_falling() -> None:
    torch.manual_seed(0)
    config = {"noise": "none", "discriminator_steps": 10, "until_converged": True, "discriminator_limit": 1000}
    criterion = gan(Logistic(), discriminator_rate=0.05, **config)
    first = criterion.prepare(idle(), pair(512, 2.0))
    second = criterion.prepare(idle(), pair(512, 2.0))
    assert 50 < float(first["d_steps"]) < 1000
    assert 20 <= float(second["d_steps"]) < float(first["d_steps"])
    # The optimum's loss, by quadrature: logit = 2 − 2y between N(0, 1) and N(2, 1).
    y = torch.linspace(-9, 11, 4001)
    p = (-(y**2) / 2).exp() / math.sqrt(2 * math.pi)
    optimum = float((p * functional.softplus(2 * y - 2)).sum() * (y[1] - y[0]))
    assert float(first["d_loss"]) == pytest.approx(optimum, abs=0.04)


@pytest.mark.parametrize("loss", [math.nan, 0.5])
def test_it_stops_where_nothing_falls(loss: float) -> None:
    class Stuck(Rehearsal):
        def update(self, player, objective):  # type: ignore[no-untyped-def]
            return {"d_loss": loss}

    config = {"discriminator_steps": 4, "until_converged": True}
    report = gan(Logistic(), **config).prepare(Stuck(lambda: images(1)), pair(2, 1.0))
    assert float(report["d_steps"]) in (4, 8)


def test_it_stops_at_the_limit() -> None:
    falling = iter(range(1000, 0, -1))

    class Falling(Rehearsal):
        def update(self, player, objective):  # type: ignore[no-untyped-def]
            return {"d_loss": float(next(falling))}

    config = {"discriminator_steps": 4, "until_converged": True, "discriminator_limit": 18}
    report = gan(Logistic(), **config).prepare(Falling(lambda: images(1)), pair(2, 1.0))
    assert report["d_steps"] == 16


@pytest.mark.parametrize(
    "fields",
    [{"label_smoothing": 1.0}, {"noise_start": 0.1, "noise_end": 0.2}, {"noise": "adaptive", "noise_start": 0.0},
     {"discriminator_steps": 0}, {"discriminator_steps": 200}, {"noise_end": -0.1},
     {"noise": "geometric", "noise_start": 0.1, "noise_end": 0.0}],
)  # fmt: skip
def test_configs_that_make_no_sense(fields: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        gan(Logistic(), **fields)


def relativistic(**fields: object) -> GAN:
    torch.manual_seed(0)
    return gan(tiny_discriminator(batch_norm=False).double(), relativistic=True, **fields)


@pytest.mark.parametrize("local", [False, True])
def test_relativistic_losses_are_the_prototypes_on_the_same_tensors(local: bool) -> None:
    """shared/prototypes/affgan.py, written out: one view and one draw of noise for y and ŷ, softplus of the pairs."""
    judge: nn.Module = tiny_discriminator(batch_norm=False).double()
    if local:
        judge = nn.Sequential(nn.Conv2d(3, 4, 4, 2, 1), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 3, padding=1)).double()
    criterion = gan(judge, relativistic=True, noise_start=0.03, noise_end=0.03, shift=8)
    y, estimate = images(4, 3, 24, 24, dtype=DOUBLE), images(4, 3, 24, 24, seed=1, dtype=DOUBLE)
    torch.manual_seed(3)
    top, left = torch.randint(9, (2,)).tolist()
    wider = functional.pad(torch.cat([y, estimate]), (4, 4, 4, 4), mode="reflect")
    both = wider[..., top : top + 24, left : left + 24]
    r, fk = judge(both + 0.03 * torch.randn(*both.shape, dtype=DOUBLE)).chunk(2)
    torch.manual_seed(3)
    ours, report = criterion.discriminate(y, estimate, 0.5)
    assert torch.allclose(ours, functional.softplus(-(r - fk)).mean(), rtol=0, atol=1e-12)
    assert report["d_loss"] == ours
    torch.manual_seed(3)
    loss, _ = criterion.loss(estimate, y, 0.5)
    assert torch.allclose(loss, functional.softplus(-(fk - r)).mean(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("local", [False, True])
def test_images_and_estimates_apart_are_as_together(local: bool) -> None:
    """For G's step D sees y without a graph: the same loss and gradient, and D stays as it is."""
    config = DiscriminatorConfig(widths=(4, 8), strides=(1, 2), batch_norm=False, spectral_norm=True, local=local)
    torch.manual_seed(0)
    criterion = gan(Discriminator(config).double().train(), relativistic=True, noise="none")
    before = weights([criterion.discriminator.bare])
    y, estimate = images(4, 3, 8, 8, dtype=DOUBLE), images(4, 3, 8, 8, seed=1, dtype=DOUBLE).requires_grad_()
    loss, _ = criterion.loss(estimate, y, 0.0)
    (gradient,) = torch.autograd.grad(loss, estimate)
    real, fake = held(criterion.discriminator.bare)(torch.cat([y, estimate])).chunk(2)
    together = functional.softplus(real - fake).mean()
    assert torch.allclose(loss, together, rtol=0, atol=1e-12)
    assert torch.allclose(gradient, torch.autograd.grad(together, estimate)[0], rtol=0, atol=1e-12)
    assert same(weights([criterion.discriminator.bare]), before)


def test_relativistic_pairs_are_paired() -> None:
    """What y and ŷ of a pair have in common cancels: a D that looks at nothing else is at chance."""

    class Mean(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.tensor(50.0, dtype=DOUBLE))

        def forward(self, y: Tensor) -> Tensor:
            return self.weight * y.flatten(1).mean(1)

    y = images(8, 3, 4, 4, dtype=DOUBLE)
    scrambled = y.flatten(2)[..., torch.randperm(16)].view_as(y)
    for paired, chance in ((scrambled, True), (scrambled.roll(1, 0), False)):
        loss, _ = gan(Mean(), noise="none", relativistic=True).discriminate(y, paired, 0.0)
        assert (abs(loss.item() - math.log(2)) < 1e-10) == chance


@pytest.mark.parametrize("fields", [{"r1": 4.0}, {"r2": 6.0}, {"r1": 4.0, "r2": 6.0, "relativistic": True}])
def test_slopes_cost_what_they_are(fields: dict[str, float]) -> None:
    """D = a · mean of an image of 3·4·4 values has the slope a²/48 everywhere; local values have a² per position."""
    y, estimate = images(2, 3, 4, 4, dtype=DOUBLE), images(2, 3, 4, 4, seed=1, dtype=DOUBLE)
    gamma = fields.get("r1", 0.0) + fields.get("r2", 0.0)
    for judge, slope in ((Spy(), 1.5**2 / 48), (Local(), 1.5**2)):
        judge.double()
        nn.init.constant_(judge.weight, 1.5)
        plain, _ = gan(judge, noise="none", relativistic="relativistic" in fields).discriminate(y, estimate, 0.0)
        loss, report = gan(judge, noise="none", **fields).discriminate(y, estimate, 0.0)
        assert report["d_loss"] == plain
        assert torch.as_tensor(report["d_slope"]).item() == pytest.approx(gamma / 2 * slope, rel=1e-10)
        assert loss.item() == pytest.approx(plain.item() + gamma / 2 * slope, rel=1e-10)
        (gradient,) = torch.autograd.grad(loss - plain, judge.weight)
        assert gradient.item() == pytest.approx(gamma * slope / 1.5, rel=1e-10)


def test_slopes_may_be_paid_in_a_share_of_the_steps() -> None:
    """Over many steps they cost what they would cost in each; d_slope is there in every report."""
    judge = Spy().double()
    nn.init.constant_(judge.weight, 1.5)
    y, estimate = images(2, 3, 4, 4, dtype=DOUBLE), images(2, 3, 4, 4, seed=1, dtype=DOUBLE)
    criterion = gan(judge, noise="none", r1=4.0, slope_share=0.25)
    torch.manual_seed(0)
    costs = [float(criterion.discriminate(y, estimate, 0.0)[1]["d_slope"]) for _ in range(400)]
    whole = 4.0 / 2 * 1.5**2 / 48
    assert min(costs) == 0
    assert {round(cost / (4 * whole), 10) for cost in costs} == {0, 1}
    assert sum(costs) / 400 == pytest.approx(whole, rel=0.25)
    with pytest.raises(UsageError, match="slope_share"):
        gan(Logistic(), slope_share=0.0)


def test_in_the_null_space_d_sees_what_the_lr_image_leaves_open() -> None:
    """What A sees of an image may be anything, and D's view stays; what A does not see is seen as it is, about grey."""
    constraint = Affine(make_kernel("bicubic", 4))
    criterion = relativistic(null_space=True)
    criterion.bind(constraint)
    y = images(2, 3, 32, 48, dtype=DOUBLE)
    operator = constraint.operator(y)
    seen = criterion.view(y)
    assert operator.down(seen - 0.5).abs().max() < 1e-10
    other = y + operator.pinv(images(2, 3, 8, 12, dtype=DOUBLE))
    assert torch.allclose(criterion.view(other), seen, rtol=0, atol=1e-10)
    assert torch.allclose(criterion.view(seen), seen, rtol=0, atol=1e-10)
    estimate = operator.project(images(2, 3, 32, 48, seed=1, dtype=DOUBLE), operator.down(y)).requires_grad_()
    (gradient,) = torch.autograd.grad(criterion.loss(estimate, y, 0.0)[0], estimate)
    assert operator.down(gradient).abs().max() < 1e-10 * gradient.abs().max()


@pytest.mark.parametrize(
    ("fields", "what"), [({"relativistic": True, "label_smoothing": 0.1}, "label_smoothing"), ({"r1": -1.0}, "r1")]
)
def test_pairs_have_no_labels_and_slopes_cost_something(fields: dict[str, object], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        gan(Logistic(), **fields)
