"""mapsr's A in deepinv, by deepinv's own checks. Needs deepinv, and so a torchvision that loads."""

import sys

import numpy as np
import pytest
import torch

from mapsr_cli.errors import KernelError, MissingExtraError, UsageError
from mapsr_cli.operators import make_psf
from tests.psfs import comet_kernel

pytestmark = pytest.mark.filterwarnings("ignore")  # of other people's code


def test_without_deepinv_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "mapsr_cli.physics", raising=False)
    monkeypatch.setitem(sys.modules, "deepinv", None)
    monkeypatch.setitem(sys.modules, "deepinv.physics", None)
    with pytest.raises(MissingExtraError, match=r"mapsr_cli\.physics are not installed"):
        import mapsr_cli.physics  # noqa: F401


try:
    import deepinv

    from mapsr_cli.physics import Downscaling
except Exception as error:
    missing = f"deepinv cannot be imported: {error}"
else:
    missing = ""
needs_deepinv = pytest.mark.skipif(bool(missing), reason=missing)

CASES = [
    ("bicubic", 4, (3, 32, 40)),
    ("bicubic", 4, (1, 29, 34)),
    ("gaussian9", 4, (3, 24, 28)),
    ("box", 3, (3, 21, 20)),
    ("lanczos3", 2, (2, 18, 16)),
    (comet_kernel(4), 4, (3, 30, 28)),
]
every_case = pytest.mark.parametrize(("kernel", "scale", "size"), CASES)


@needs_deepinv
@every_case
def test_deepinvs_own_checks(kernel: object, scale: int, size: tuple[int, int, int]) -> None:
    """The adjoint is A's; the norm is at most that of a kernel that sums to one; A⁺ gives y back."""
    physics = Downscaling(kernel, scale, img_size=size)  # type: ignore[arg-type]
    torch.manual_seed(0)
    x = torch.rand(2, *size, dtype=torch.float64)
    assert abs(float(physics.adjointness_test(x, num_samples=4))) < 1e-12
    assert 0 < float(physics.compute_norm(x[:1], max_iter=50, verbose=False)) <= 1.5
    y = physics(x)
    assert torch.allclose(physics.A(physics.A_dagger(y)), y, atol=1e-10)
    once = physics.A_dagger(y)
    assert torch.allclose(physics.A_dagger(physics.A(once)), once, atol=1e-10)


@needs_deepinv
@every_case
def test_it_agrees_with_deepinvs_iterative_pseudoinverse(
    kernel: object, scale: int, size: tuple[int, int, int]
) -> None:
    physics = Downscaling(kernel, scale, img_size=size)  # type: ignore[arg-type]
    y = physics.A(torch.rand(1, *size, dtype=torch.float64, generator=torch.Generator().manual_seed(0)))
    generic = deepinv.physics.LinearPhysics(A=physics.A, A_adjoint=physics.A_adjoint, img_size=size)
    iterated, exact = generic.A_dagger(y, solver="CG", max_iter=2000, tol=1e-13), physics.A_dagger(y)
    assert (exact - iterated).norm() < 0.01 * exact.norm()
    assert (physics.A(exact) - y).norm() < 1e-3 * (physics.A(iterated) - y).norm() + 1e-10


@needs_deepinv
def test_it_is_a_data_fidelity_and_has_a_gradient() -> None:
    physics = Downscaling(img_size=(3, 32, 32), noise_model=deepinv.physics.GaussianNoise(sigma=0.01))
    x = torch.rand(1, 3, 32, 32, requires_grad=True)
    y = physics(x.detach())
    fidelity = deepinv.optim.data_fidelity.L2()
    (gradient,) = torch.autograd.grad(fidelity(x, y, physics).sum(), x)
    assert torch.allclose(gradient, fidelity.grad(x.detach(), y, physics), atol=1e-6)
    projected = physics.project(x.detach(), y)
    assert torch.allclose(physics.A(projected), y, atol=1e-5)
    estimate = fidelity.prox(x.detach(), y, physics, gamma=1.0)
    assert float(fidelity(estimate, y, physics)) < float(fidelity(x.detach(), y, physics))


@needs_deepinv
def test_without_a_size_images_are_whole() -> None:
    assert Downscaling("bicubic", 4).A_dagger(torch.rand(1, 3, 5, 6)).shape == (1, 3, 20, 24)


@needs_deepinv
def test_what_does_not_fit() -> None:
    with pytest.raises(UsageError, match="y has 9×8 pixels, which images of 40×32 have not"):
        Downscaling(img_size=(3, 32, 40)).A_dagger(torch.rand(1, 3, 8, 9))
    with pytest.raises(UsageError, match="unknown kernel"):
        Downscaling("bicubik")
    with pytest.raises(KernelError):
        Downscaling(make_psf("flat", np.ones((32, 32)), 4)).A_dagger(torch.rand(1, 3, 16, 16))
