"""The kernel of pairs, from pairs whose kernel is known."""

import pytest
import torch
from torch import Tensor

from mapsr_cli.errors import KernelError, UsageError
from mapsr_cli.operators import Kernel, downsampling, make_kernel, make_psf
from mapsr_cli.operators.fit_kernel import FittedKernel, KernelFit
from tests.pictures import lr_of, scene
from tests.psfs import comet_kernel, streak

WIDE = 48
KERNELS = [
    make_kernel("gaussian9", 4, 1.6),
    make_kernel("bicubic", 4),
    make_kernel("box", 3),
    make_kernel("gaussian9", 2, 1.2),
    comet_kernel(4),
    comet_kernel(3),
    make_psf("streak", streak(11, 11, 0.6, 2.2, 1.1), 4),
]


def plane(kernel: Kernel) -> Tensor:
    """A kernel's weights in a plane whose middle is HR pixel (0, 0)."""
    weights, (top, left) = kernel.plane()
    whole = torch.zeros(2 * WIDE, 2 * WIDE, dtype=torch.float64)
    rows, columns = weights.shape
    whole[WIDE + top : WIDE + top + rows, WIDE + left : WIDE + left + columns] = torch.from_numpy(weights.copy())
    return whole


def off(found: FittedKernel, kernel: Kernel) -> float:
    """How far the kernel that `--kernel file:` would make of it is from the right one, relative to its norm."""
    made = make_psf("found", found.picture.numpy(), kernel.scale)
    return float((plane(made) - plane(kernel)).norm() / plane(kernel).norm())


def textured(height: int, width: int, seed: int) -> Tensor:
    """A picture with as much of all frequencies as of low ones: fewer pixels suffice than of photographs."""
    noise = torch.randn(3, height, width, generator=torch.Generator().manual_seed(seed))
    return (127.5 + 50 * noise).round().clamp(0, 255)


def fitted(kernel: Kernel, noise: float, size: int = 17, pictures: int = 6) -> FittedKernel:
    fit, generator = KernelFit(kernel.scale, size), torch.Generator().manual_seed(1)
    for number in range(pictures):
        y = textured(60 * kernel.scale + 1, 50 * kernel.scale, number)
        exact = downsampling(kernel, (y.shape[1], y.shape[2]), torch.float64).down(y.double())
        noisy = (exact + noise * torch.randn(exact.shape, generator=generator)).round()
        fit.add(noisy if noise else exact, y)
    return fit.solve()


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_exact_pairs_give_the_kernel(kernel: Kernel) -> None:
    found = fitted(kernel, 0.0, pictures=2)
    assert off(found, kernel) < 1e-6
    assert found.residual < 1e-5
    assert found.gain == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda kernel: kernel.name)
def test_noise_and_rounding_leave_it_within_a_hundredth(kernel: Kernel) -> None:
    found = fitted(kernel, 0.5)
    assert off(found, kernel) < 0.01
    assert found.residual == pytest.approx((0.25 + 1 / 12) ** 0.5, rel=0.1)
    assert 0.3 < found.error / off(found, kernel) < 3


def test_the_size_is_found() -> None:
    found = fitted(make_kernel("box", 4), 1.0, pictures=2)
    assert found.picture.shape == (4, 4)


def test_brightness_that_is_not_kept_is_told() -> None:
    kernel = make_kernel("box", 2)
    fit, y = KernelFit(2, 8), scene(120, 100)
    fit.add(0.9 * downsampling(kernel, (120, 100)).down(y), y)
    found = fit.solve()
    assert found.gain == pytest.approx(0.9, abs=1e-6)
    assert found.picture.sum().item() == pytest.approx(1)


def test_too_little_is_refused() -> None:
    fit, y = KernelFit(4, 16), scene(64, 64)
    assert fit.add(lr_of(y, KERNELS[0]), y) == 3 * 12 * 12
    with pytest.raises(KernelError, match="too few to fit 16×16"):
        fit.solve()
    flat = KernelFit(4, 4)
    flat.add(torch.zeros(3, 60, 60), torch.zeros(3, 240, 240))
    with pytest.raises(KernelError, match="determine no kernel"):
        flat.solve()
    assert KernelFit(4, 16).add(torch.zeros(3, 2, 2), torch.zeros(3, 8, 8)) == 0
    with pytest.raises(UsageError, match="scale 5"):
        KernelFit(5, 16)
