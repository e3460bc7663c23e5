"""A⁺ as a convolution, by least squares and by descent (eqns 21 to 23)."""

import pytest
import torch

from mapsr_cli.errors import KernelError, UsageError
from mapsr_cli.operators import ConvPinv, FitConfig, Kernel, fit_pinv, make_kernel, solve_pinv
from mapsr_cli.operators.fit_pinv import MOST_TAPS
from mapsr_cli.operators.pinv_loss import PinvLoss
from mapsr_cli.operators.polyphase import polyphase
from tests.psfs import comet_kernel

GAUSSIAN = make_kernel("gaussian9", 4)


def total(kernel: Kernel, pinv: ConvPinv) -> float:
    return sum(float(value) for value in PinvLoss(polyphase(kernel), pinv.taps).expected(pinv.kernels))


@pytest.mark.parametrize(
    ("kernel", "taps"),
    [(GAUSSIAN, 5), (GAUSSIAN, 2), (make_kernel("bicubic", 3), 5), (make_kernel("lanczos3", 8), 3),
     (make_kernel("box", 2), 1), (comet_kernel(4), 5), (comet_kernel(2), 5)],
)  # fmt: skip
def test_least_squares_inverts_exactly_where_taps_suffice(kernel: Kernel, taps: int) -> None:
    pinv = solve_pinv(kernel, taps)
    assert pinv.kernels.shape == (kernel.scale**2, taps, taps)
    assert total(kernel, pinv) < 1e-20


def test_of_all_inverses_it_is_the_smallest() -> None:
    loss, solved = PinvLoss(polyphase(GAUSSIAN), 5), solve_pinv(GAUSSIAN, 5).kernels
    _, _, v = torch.linalg.svd(loss.matrix())
    unseen = v[loss.matrix().shape[0] :]  # B may move along these and stay an inverse
    assert len(unseen) == 400 - 49
    assert (unseen @ solved.flatten()).abs().max() < 1e-12
    moved = ConvPinv(solved + 0.1 * unseen[7].view_as(solved))
    assert total(GAUSSIAN, moved) < 1e-20


def test_more_taps_come_nearer_to_where_they_do_not_suffice() -> None:
    """The phases of bicubic ×2 have a common zero: no convolution inverts it, but long ones nearly do."""
    kernel = make_kernel("bicubic", 2)
    losses = [total(kernel, solve_pinv(kernel, taps)) for taps in (1, 3, 5, 7)]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < 1e-10


@pytest.mark.slow
def test_descent_finds_the_inverse_of_least_norm() -> None:
    """A short one: the paper's kernel at full length is below."""
    seen: list[tuple[int, int]] = []
    config = FitConfig(steps=500, momentum=0.95)
    fitted = fit_pinv(GAUSSIAN, 3, config, lambda done, steps: seen.append((done, steps)))
    assert seen == [(step + 1, 500) for step in range(500)]
    assert total(GAUSSIAN, fitted) < 1e-4
    solved = solve_pinv(GAUSSIAN, 3).kernels
    assert (fitted.kernels - solved).norm() < 0.2 * solved.norm()


@pytest.mark.slow
def test_descent_reaches_what_the_paper_reached() -> None:
    fitted = fit_pinv(GAUSSIAN, 5)
    assert total(GAUSSIAN, fitted) <= 1e-12
    solved = solve_pinv(GAUSSIAN, 5).kernels
    assert (fitted.kernels - solved).norm() < 1e-4 * solved.norm()


@pytest.mark.slow
def test_descent_on_both_from_the_start_ends_where_nothing_is_inverted() -> None:
    """Why ℓ1 goes first: from zero, ℓ1 + ℓ2 leads to a B that lets high frequencies go."""
    config = FitConfig(steps=400, momentum=0.95, alone=0.0, joining=0.01, largest_step=1.0)
    assert total(GAUSSIAN, fit_pinv(GAUSSIAN, 3, config)) > 1e-2


def test_descent_follows_its_seed() -> None:
    first, again, other = (fit_pinv(GAUSSIAN, 1, FitConfig(steps=5, seed=seed)).kernels for seed in (0, 0, 1))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.slow
def test_ill_conditioned_kernels_do_not_make_it_diverge() -> None:
    kernel = make_kernel("gaussian9", 2)
    assert total(kernel, fit_pinv(kernel, 3, FitConfig(steps=300))) < 10.0


def test_divergence_is_told() -> None:
    with pytest.raises(KernelError, match="diverged"):
        fit_pinv(GAUSSIAN, 1, FitConfig(steps=600, momentum=5.0))


@pytest.mark.parametrize("taps", [0, -1, MOST_TAPS + 1])
def test_nonsense_is_refused(taps: int) -> None:
    with pytest.raises(UsageError, match="taps"):
        solve_pinv(GAUSSIAN, taps)
    with pytest.raises(UsageError, match="taps"):
        fit_pinv(GAUSSIAN, taps)
    with pytest.raises(UsageError, match="steps"):
        fit_pinv(GAUSSIAN, 1, FitConfig(steps=0))
