"""Terms that are added to a criterion."""

import itertools
import math
import sys
from dataclasses import fields

import pytest
import torch
from torch import Tensor, nn

from mapsr_cli.criteria.base import CriterionConfig, LearningConfig, Term
from mapsr_cli.criteria.content import Content
from mapsr_cli.criteria.energy import Energy
from mapsr_cli.criteria.frequency import Frequency
from mapsr_cli.criteria.gan import GAN
from mapsr_cli.criteria.lattice import Lattice
from mapsr_cli.criteria.mae import MAE
from mapsr_cli.criteria.matching import Matching
from mapsr_cli.criteria.methods import METHODS
from mapsr_cli.criteria.mse import MSE
from mapsr_cli.criteria.perceptual import LiteFeatures, PerceptualDistance
from mapsr_cli.criteria.phases import Phases
from mapsr_cli.criteria.spectrum import Spectrum
from mapsr_cli.criteria.terms import TERMS, WeightedSum, with_terms
from mapsr_cli.errors import MissingExtraError, UsageError, install_command
from mapsr_cli.networks import Affine, MlpDiscriminator, MlpDiscriminatorConfig
from mapsr_cli.operators import make_kernel
from tests.criteria.stage import build, images, tiny_discriminator

DOUBLE = torch.float64
Y, ESTIMATE = images(2, 3, 16, 24, dtype=DOUBLE), images(2, 3, 16, 24, seed=1, dtype=DOUBLE)


def gan(**given: object) -> GAN:
    torch.manual_seed(0)
    criterion = GAN(GAN.Config(noise="none", **given), tiny_discriminator(batch_norm=False).double())  # type: ignore[arg-type]
    assert with_terms(criterion) is criterion
    return criterion


def test_every_term_has_a_weight_which_is_zero() -> None:
    assert {f.name: f.default for f in fields(CriterionConfig)}.items() >= dict.fromkeys(TERMS, 0.0).items()
    assert not {f.name for f in fields(LearningConfig)} & {"weight", *TERMS}  # a prior's criterion has none


@pytest.mark.parametrize("name", METHODS)
def test_nothing_is_added_by_default(name: str) -> None:
    config = METHODS[name].criterion.Config()
    assert all(getattr(config, term) == 0 for term in TERMS)
    assert config.weight == 1


def test_the_sum_is_weighted_and_what_is_reported_is_not() -> None:
    criterion = build(MSE, weight=0.25, content=3.0, frequency=0.5)
    loss, report = criterion.loss(ESTIMATE, Y, 0.0)
    parts = {
        "loss": (Y - ESTIMATE).square().mean(),
        "content": (Y - ESTIMATE).abs().mean(),
        "frequency": torch.fft.rfft2(Y - ESTIMATE, norm="ortho").abs().mean(),
    }
    assert report.keys() == parts.keys()
    assert all(torch.allclose(torch.as_tensor(report[key]), value, rtol=0, atol=1e-12) for key, value in parts.items())
    wanted = 0.25 * parts["loss"] + 3 * parts["content"] + 0.5 * parts["frequency"]
    assert torch.allclose(loss, wanted, rtol=0, atol=1e-12)


def test_gradients_add_up() -> None:
    estimate = ESTIMATE.clone().requires_grad_()
    both, _ = build(MSE, content=2.0).loss(estimate, Y, 0.0)
    mse, _ = build(MSE).loss(estimate, Y, 0.0)
    mae, _ = build(MAE).loss(estimate, Y, 0.0)
    (found,), (a,), (b,) = (torch.autograd.grad(value, estimate, retain_graph=True) for value in (both, mse, mae))
    assert torch.allclose(found, a + 2 * b, rtol=0, atol=1e-12)


@pytest.mark.parametrize("weight", [0.0, 0.1])
def test_the_own_objective_may_weigh_less_or_nothing(weight: float) -> None:
    loss, report = build(MAE, weight=weight).loss(ESTIMATE, Y, 0.0)
    assert loss == pytest.approx(weight * float(report["loss"]))


@pytest.mark.parametrize(("name", "value"), [("weight", -1.0), ("content", -0.1), ("matching", math.nan)])
def test_a_weight_is_zero_or_more(name: str, value: float) -> None:
    with pytest.raises(UsageError, match=rf"criterion\.{name}="):
        build(MSE, None, **{name: value})


@pytest.mark.parametrize("size", [(16, 16), (48, 40)])
def test_content_weighs_less_where_the_error_is_large(size: tuple[int, int]) -> None:
    """Of the same error everywhere e, e / (1 + e²/e₀²), and its gradient is that of e alone, weighed."""
    truth = images(2, 3, *size, dtype=DOUBLE)
    for error in (0.01, 0.05, 0.2):
        estimate = (truth + error).requires_grad_()
        value = Content(gan(predictable=0.05)).value(estimate, truth)
        weight = 1 / (1 + (error / 0.05) ** 2)
        assert value.item() == pytest.approx(weight * error, rel=1e-10)
        (gradient,) = torch.autograd.grad(value, estimate)
        assert gradient.mean().item() == pytest.approx(weight / truth.numel(), rel=1e-10)
    half = torch.zeros_like(truth)
    half[..., : size[1] // 2] = 0.2
    near = Content(gan(predictable=0.05)).value(truth + half, truth).item()
    assert near < 0.1 * 0.2  # where the error is large, content hardly asks for less
    assert Content(gan(predictable=1e6)).value(truth + half, truth).item() == pytest.approx(0.1)


def test_content_by_its_error_is_of_images() -> None:
    points = torch.rand(4, 1, 1, 2)
    assert Content(gan()).value(points, points + 1).item() == pytest.approx(1)
    with pytest.raises(UsageError, match="predictable compares images"):
        Content(gan(predictable=0.1)).value(points, points)
    for value in (-0.1, math.nan):
        with pytest.raises(UsageError, match=r"criterion\.predictable="):
            Content(gan(predictable=value))


def test_all_else_is_the_criterions_own() -> None:
    own = gan(noise_start=0.1)
    added = WeightedSum(own, {"content": Content(own)})
    assert list(added.players()) == list(own.players())
    assert added.state() == own.state()
    assert [name for name, _ in added.players()] == ["discriminator"]


def terms() -> list[Term]:
    criterion = gan()
    return [
        Content(criterion),
        Content(gan(predictable=0.1)),
        Frequency(criterion),
        Matching(criterion),
        PerceptualDistance(criterion),
        Energy(criterion),
        bound(Phases(criterion), "bicubic", 4),
        lattice("bicubic", 4),
    ]


def bound(term: Term, kernel: str, scale: int) -> Term:
    term.bind(Affine(make_kernel(kernel, scale)))
    return term


def lattice(kernel: str, scale: int) -> Term:
    return bound(Lattice(gan()), kernel, scale)


@pytest.mark.parametrize("term", terms(), ids=lambda term: type(term).__name__)
def test_a_term_is_zero_at_the_truth_alone_and_has_a_gradient_elsewhere(term: Term) -> None:
    single = [y.float() for y in (Y, ESTIMATE)] if isinstance(term, PerceptualDistance) else [Y, ESTIMATE]
    truth, estimate = single[0], single[1].requires_grad_()
    assert term.value(truth, truth).item() == pytest.approx(0, abs=1e-10)
    value = term.value(estimate, truth)
    assert value.shape == ()
    assert value.item() > 1e-3
    (gradient,) = torch.autograd.grad(value, estimate)
    assert gradient.isfinite().all()
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("term", terms()[:-1], ids=lambda term: type(term).__name__)  # a lattice is seen on the truth
def test_swapping_the_two_changes_nothing(term: Term) -> None:
    values = []
    for pair in ((Y, ESTIMATE), (ESTIMATE, Y)):
        torch.manual_seed(0)
        values.append(term.value(*(y.float() if isinstance(term, PerceptualDistance) else y for y in pair)).item())
    assert values[0] == pytest.approx(values[1], rel=1e-5)


def test_a_wave_counts_at_its_own_frequency() -> None:
    """cos of amplitude a is one number of rfft2, a/2 · √(H·W), of H · (W/2 + 1)."""
    wave = 0.3 * torch.cos(2 * math.pi * 3 * torch.arange(24, dtype=DOUBLE) / 24).expand(1, 1, 16, 24)
    found = Frequency(gan()).value(Y[:1, :1] + wave, Y[:1, :1])
    assert found.item() == pytest.approx(0.15 * math.sqrt(16 * 24) / (16 * 13), rel=1e-10)


def test_a_lattice_counts_by_its_magnitude_as_a_share_of_contrast() -> None:
    """Written out in loops: blocks of 8×8 LR pixels, each phase's mean error over the spread of the image there."""
    truth, estimate = images(2, 3, 64, 100, dtype=DOUBLE), images(2, 3, 64, 100, seed=1, dtype=DOUBLE)
    truth[:, :, :32, :32] *= 0.01  # nearly flat: counts most
    wanted = []
    for image, error in zip(truth, estimate - truth, strict=True):
        for top, left in itertools.product(range(0, 64, 32), range(0, 96, 32)):
            block, wrong = (part[:, top : top + 32, left : left + 32] for part in (image, error))
            spread = sum(colour.std(correction=0) for colour in block) / 3
            wanted += [
                abs(wrong[colour, i::4, j::4].mean()) / (spread + 1 / 255)
                for colour, i, j in itertools.product(range(3), range(4), range(4))
            ]
    assert lattice("bicubic", 4).value(estimate, truth).item() == pytest.approx(
        float(sum(wanted)) / len(wanted), rel=1e-10
    )


@pytest.mark.parametrize(("scale", "size"), [(2, (32, 48)), (3, (24, 50)), (4, (64, 100)), (4, (16, 24))])
def test_a_lattice_on_a_plain_background_is_told_whole(scale: int, size: tuple[int, int]) -> None:
    cell = torch.randn(1, 3, scale, scale, generator=torch.Generator().manual_seed(2), dtype=DOUBLE)
    repeated = cell.repeat(1, 1, size[0] // scale + 1, size[1] // scale + 1)[..., : size[0], : size[1]]
    truth = torch.zeros(1, 3, *size, dtype=DOUBLE)
    found = lattice("box", scale).value(repeated, truth)
    assert found.item() == pytest.approx(255 * cell.abs().mean().item(), rel=1e-10)


def test_grain_that_is_independent_hardly_counts_as_a_lattice() -> None:
    """The mean of 64 pixels has an eighth of their deviation."""
    truth = torch.full((4, 3, 96, 96), 0.5, dtype=DOUBLE)
    grain = torch.randn(4, 3, 96, 96, generator=torch.Generator().manual_seed(3), dtype=DOUBLE)
    found = lattice("bicubic", 4).value(truth + grain / 255, truth)
    assert found.item() == pytest.approx(math.sqrt(2 / math.pi) / 8, rel=0.03)


def test_a_lattice_is_of_images_and_bound_by_the_sum() -> None:
    total = build(MAE, lattice=2.0)
    total.bind(Affine(make_kernel("bicubic", 4)))
    loss, report = total.loss(ESTIMATE, Y, 0.0)
    assert loss.item() == pytest.approx(float(report["loss"]) + 2 * float(report["lattice"]), rel=1e-10)
    with pytest.raises(UsageError, match=r"criterion\.lattice"):
        lattice("bicubic", 4).value(torch.zeros(1, 2, 3, 8), torch.zeros(1, 2, 3, 8))
    with pytest.raises(UsageError, match=r"criterion\.lattice"):
        lattice("bicubic", 4).value(torch.zeros(5, 2), torch.zeros(5, 2))


def phases(estimate: Tensor, truth: Tensor, scale: int = 4) -> float:
    return bound(Phases(gan()), "box", scale).value(estimate, truth).item()


def test_phases_compare_the_spread_of_energy() -> None:
    """Written out in loops: squared differences at each phase of the pixels that have four neighbours."""
    truth, estimate = images(2, 3, 15, 23, dtype=DOUBLE), images(2, 3, 15, 23, seed=1, dtype=DOUBLE)
    kinds: list[dict[tuple[int, int], float]] = [{(0, 0): -1, (0, 1): 1}, {(0, 0): -1, (1, 0): 1}]
    kinds.append({(0, 0): -1} | dict.fromkeys(((0, 1), (1, 0), (0, -1), (-1, 0)), 0.25))

    def profile(image: Tensor, kind: dict[tuple[int, int], float]) -> Tensor:
        energies = torch.zeros(9, dtype=DOUBLE)
        for row, column in itertools.product(range(12), range(21)):
            difference = sum(w * image[:, 1 + row + i, 1 + column + j] for (i, j), w in kind.items())
            energies[row % 3 * 3 + column % 3] += torch.as_tensor(difference).square().mean() / (4 * 7)
        logarithms = (energies + (0.5 / 255) ** 2).log()
        return logarithms - logarithms.mean()

    wanted = [
        (profile(a, kind) - profile(b, kind)).abs().mean().item()
        for a, b in zip(estimate, truth, strict=True)
        for kind in kinds
    ]
    assert phases(estimate, truth, 3) == pytest.approx(sum(wanted) / 6, rel=1e-10)


def test_dots_of_changing_sign_have_phases_and_no_lattice() -> None:
    """A dot in the middle of each LR pixel, white or black: its means are zero, and its energy is of few phases."""
    cells = torch.randn(4, 1, 24, 24, generator=torch.Generator().manual_seed(4), dtype=DOUBLE).sign()
    dots = nn.functional.pad(cells[..., None, :, None], (1, 2, 0, 0, 1, 2)).reshape(4, 1, 96, 96)
    grain = torch.randn(4, 1, 96, 96, generator=torch.Generator().manual_seed(5), dtype=DOUBLE)
    truth, dotted, fine = (0.5 + 0.05 * part for part in (grain.flip(-1), dots + 0.3 * grain, grain))
    assert lattice("box", 4).value(dotted, truth).item() < 1.5 * lattice("box", 4).value(fine, truth).item()
    assert phases(dotted, truth) > 5 * phases(fine, truth)
    assert phases(fine, truth) < 0.15  # of 24×24 LR pixels


def test_phases_do_not_ask_for_energy_or_brightness() -> None:
    y = images(2, 3, 64, 96, dtype=DOUBLE)
    assert phases(0.5 + 2 * (y - 0.5), y) == pytest.approx(0, abs=1e-3)  # the floor takes a little
    assert phases(y + 0.25, y) == pytest.approx(0, abs=1e-10)


def test_phases_are_of_images_and_bound_by_the_sum() -> None:
    total = build(MAE, phases=2.0)
    total.bind(Affine(make_kernel("bicubic", 4)))
    loss, report = total.loss(ESTIMATE, Y, 0.0)
    assert loss.item() == pytest.approx(float(report["loss"]) + 2 * float(report["phases"]), rel=1e-10)
    for wrong in (torch.zeros(1, 2, 5, 8), torch.zeros(5, 2)):
        with pytest.raises(UsageError, match=r"criterion\.phases"):
            phases(wrong, wrong)


def test_matching_compares_every_layer_of_the_discriminator_and_holds_it() -> None:
    criterion = gan()
    term, judge = Matching(criterion), criterion.discriminator.bare
    assert isinstance(judge, nn.Module)
    ours, theirs = (list(judge.features(y)) for y in (ESTIMATE, Y))  # type: ignore[operator]
    assert [layer.shape[1] for layer in ours] == [4, 8]
    wanted = sum((a - b).abs().mean() for a, b in zip(ours, theirs, strict=True)) / 2
    value = term.value(ESTIMATE.clone().requires_grad_(), Y)
    assert torch.allclose(value, wanted, rtol=0, atol=1e-12)
    value.backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is None for p in judge.parameters())


def test_the_last_features_are_those_that_are_judged() -> None:
    judge = tiny_discriminator()
    y = Y.float()
    judge.eval()
    *_, last = judge.features(y)
    assert torch.allclose(judge.head(last.mean(dim=(2, 3))).squeeze(-1), judge(y))


def test_matching_needs_a_discriminator_of_images() -> None:
    with pytest.raises(UsageError, match=r"criterion\.matching"):
        build(MSE, matching=1.0)
    with pytest.raises(UsageError, match=r"criterion\.matching"):
        build(GAN, MlpDiscriminator(MlpDiscriminatorConfig()), matching=1.0)


def test_features_are_of_five_depths_and_of_unchanging_weights() -> None:
    network = LiteFeatures()
    features = network(images(1, 3, 64, 96))
    strides = (2, 4, 8, 16, 16)
    shapes = [(maps, 64 // s, 96 // s) for maps, s in zip((16, 24, 40, 80, 112), strides, strict=True)]
    assert [tuple(layer.shape[1:]) for layer in features] == shapes
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


def test_features_tell_blur_from_noise_of_equal_error() -> None:
    """What the term is for: of two images with the same mean square error, the blurred one is farther."""
    torch.manual_seed(0)
    truth = torch.rand(1, 3, 64, 64)
    blurred = nn.functional.avg_pool2d(nn.functional.pad(truth, (1, 1, 1, 1), mode="reflect"), 3, 1)
    error = (blurred - truth).square().mean().sqrt()
    brighter: Tensor = truth + error
    term = PerceptualDistance(gan())
    assert term.value(blurred, truth) > 3 * term.value(brighter, truth)


@pytest.mark.parametrize(("colours", "side"), [(1, 16), (3, 15)])
def test_features_are_of_three_colours_and_sixteen_pixels(colours: int, side: int) -> None:
    with pytest.raises(UsageError, match=rf"{side}×24 pixels and {colours} channels"):
        PerceptualDistance(gan()).value(ESTIMATE[:, :colours, :side], Y[:, :colours, :side])


def test_without_the_extra_one_line_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "efficientnet_lite_pytorch", None)
    with pytest.raises(MissingExtraError, match=r"criterion\.perceptual") as caught:
        build(MSE, perceptual=1.0)
    assert caught.value.hint == install_command("features")


def test_energy_counts_by_its_logarithm_block_by_block() -> None:
    """Twice the contrast in one block of two: log 4 there, whatever the texture's own; half of it on average."""
    truth = images(2, 3, 32, 64, dtype=DOUBLE)
    estimate = truth.clone()
    estimate[..., :32] = 0.5 + 2 * (truth[..., :32] - 0.5)
    assert Energy(gan()).value(estimate, truth).item() == pytest.approx(math.log(4) / 2, rel=0.1)  # and the seam
    assert Energy(gan()).value(estimate[..., :32], truth[..., :32]).item() == pytest.approx(math.log(4), rel=1e-3)


def test_energy_does_not_ask_where_texture_lies() -> None:
    y = images(1, 3, 32, 32, dtype=DOUBLE)
    turned = Energy(gan()).value(y.rot90(2, (-2, -1)), y)
    assert turned.item() < 0.02 < Content(gan()).value(y.rot90(2, (-2, -1)), y).item()


def test_a_plain_wall_asks_for_its_grain() -> None:
    """Grain of half a level there and none in the estimate counts; what is below rounding hardly does."""
    grain = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(3), dtype=DOUBLE) / 255
    plain = torch.full_like(grain, 0.5)
    found = [Energy(gan()).value(plain, plain + sigma * grain).item() for sigma in (0.05, 0.5, 2.0)]
    assert found[0] < 0.02
    # E is 4σ² of the pixels and σ² of 2×2 means, in squared levels
    assert found[1:] == pytest.approx([(math.log(1 + 4 * s**2) + math.log(1 + s**2)) / 2 for s in (0.5, 2.0)], rel=0.05)


def test_energy_is_of_images() -> None:
    for wrong in (torch.zeros(1, 3, 3, 8), torch.zeros(5, 2)):
        with pytest.raises(UsageError, match=r"criterion\.energy"):
            Energy(gan()).value(wrong, wrong)


def spectrum(estimate: Tensor, truth: Tensor) -> float:
    return Spectrum(gan()).value(estimate, truth).item()


def test_spectrum_counts_by_its_logarithm() -> None:
    """Twice the contrast is four times the power at every frequency."""
    y = images(2, 3, 64, 96, dtype=DOUBLE)
    assert spectrum(0.5 + 2 * (y - 0.5), y) == pytest.approx(math.log(4), rel=1e-2)  # the floor takes a little
    assert spectrum(y + 0.25, y) < 1e-10  # brightness is no frequency


def test_power_of_white_noise_is_its_variance_at_every_frequency() -> None:
    """A plain estimate of it: log(1 + (s / half a level)²), and nothing where the noise is far below rounding."""
    noise = torch.randn(1, 3, 256, 256, generator=torch.Generator().manual_seed(0), dtype=DOUBLE) / 255
    plain = torch.full_like(noise, 0.5)
    found = [spectrum(plain, plain + s * noise) for s in (0.02, 0.5, 8.0)]
    assert found[0] < 0.005
    assert found[1:] == pytest.approx([math.log(1 + (2 * s) ** 2) for s in (0.5, 8.0)], rel=0.02)


def test_spectrum_does_not_ask_where_texture_lies() -> None:
    y = images(1, 3, 64, 64, dtype=DOUBLE)
    assert spectrum(y.rot90(2, (-2, -1)), y) < 1e-10


def test_spectrum_sees_what_lacks_the_frequency_of_the_lr_grid() -> None:
    """Noise without the frequencies near 1/4, raised until gradients are as strong again, passes for energy."""
    y = images(1, 3, 128, 128, dtype=DOUBLE) - 0.5
    rows, cols = (torch.fft.fftfreq(128, dtype=DOUBLE).abs().view(shape) for shape in ((-1, 1), (1, -1)))
    hole = ((rows - 0.25).abs() < 0.05) | ((cols - 0.25).abs() < 0.05)
    holed = torch.fft.ifft2(torch.fft.fft2(y).masked_fill(hole, 0)).real
    holed = holed * (y.diff(dim=-1).norm() / holed.diff(dim=-1).norm())
    assert spectrum(holed, y) > 3 * Energy(gan()).value(holed, y).item()


@pytest.mark.parametrize("size", [(4, 4), (5, 30), (17, 16)])
def test_spectrum_of_small_images(size: tuple[int, int]) -> None:
    y = images(2, 1, *size, dtype=DOUBLE)
    assert spectrum(y, y) == 0
    assert spectrum(1.5 * y, y) == pytest.approx(math.log(2.25), rel=0.02)


def test_spectrum_has_a_gradient_where_an_estimate_is_plain() -> None:
    plain = torch.full((1, 3, 16, 16), 0.5, dtype=DOUBLE, requires_grad=True)
    (gradient,) = torch.autograd.grad(Spectrum(gan()).value(plain, images(1, 3, 16, 16, dtype=DOUBLE)), plain)
    assert gradient.isfinite().all()


def test_spectrum_is_of_images() -> None:
    for wrong in (torch.zeros(1, 3, 3, 8), torch.zeros(5, 2)):
        with pytest.raises(UsageError, match=r"criterion\.spectrum"):
            Spectrum(gan()).value(wrong, wrong)
