"""A, Aᵀ and A⁺ for deepinv: our downsampling as one of its linear physics, exact and with every border.

deepinv calls the image x and its measurement y; here, as everywhere in this file's arguments, that is so, too.
"""

from typing import Any

import torch
from torch import Tensor

from mapsr_cli.errors import MapsrError, MissingExtraError, UsageError
from mapsr_cli.imaging import find_kernel
from mapsr_cli.operators import Downsampling, Kernel, downsampling

try:
    from deepinv.physics import LinearPhysics
except ImportError as error:
    raise MissingExtraError("mapsr_cli.physics", "deepinv") from error
except RuntimeError as error:  # torchvision registers operators with a torch that it was not built for
    raise MapsrError(
        f"torchvision, which deepinv needs, does not load beside torch {torch.__version__}",
        "install both from one place",
    ) from error


class Downscaling(LinearPhysics):  # type: ignore[misc]
    """y = A x (+ noise): images x [N, C, H, W] → [N, C, ⌈H/s⌉, ⌈W/s⌉], of any dtype, on any device.

    A⁺ is exact where deepinv's own solves by conjugate gradients, so that A A⁺ y = y to rounding.

    Args:
        kernel: a name that `--kernel` takes, `file:psf.npy` included, or a Kernel.
        scale: s, for a name.
        sigma: standard deviation in pixels of x, for a Gaussian's name.
        img_size: (C, H, W) of x; without it, Aᵀ and A⁺ make images of s·h × s·w pixels.
        options: for `LinearPhysics`: `noise_model`, `device`, …

    Raises:
        UsageError, KernelError: no such kernel, or one that cannot be inverted.
    """

    def __init__(
        self,
        kernel: str | Kernel = "bicubic",
        scale: int = 4,
        sigma: float | None = None,
        img_size: tuple[int, int, int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(img_size=img_size, **options)
        self.kernel = find_kernel(kernel, scale, sigma) if isinstance(kernel, str) else kernel

    def A(self, x: Tensor, **_: Any) -> Tensor:  # noqa: N802 (deepinv's name)
        """Apply A: [N, C, H, W] → [N, C, h, w]."""
        height, width = x.shape[-2:]
        return downsampling(self.kernel, (height, width), x.dtype, x.device).down(x)

    def A_adjoint(self, y: Tensor, **_: Any) -> Tensor:  # noqa: N802
        """Apply Aᵀ: [N, C, h, w] → [N, C, H, W]."""
        return self._operator(y).adjoint(y)

    def A_dagger(self, y: Tensor, **_: Any) -> Tensor:  # noqa: N802
        """Apply A⁺: [N, C, h, w] → the image of least norm with A x = y, [N, C, H, W]."""
        return self._operator(y).pinv(y)

    def project(self, x: Tensor, y: Tensor) -> Tensor:
        """Project x onto the images with A x = y: x + A⁺(y − A x), eqn (7)."""
        return x + self.A_dagger(y - self.A(x))

    def _operator(self, y: Tensor) -> Downsampling:
        """Make A for the images that measurements as large as y are of."""
        small = y.shape[-2], y.shape[-1]
        size = tuple(self.img_size[-2:]) if self.img_size is not None else self.kernel.hr_size(small)
        if self.kernel.lr_size(size) != small:
            raise UsageError(f"y has {small[1]}×{small[0]} pixels, which images of {size[1]}×{size[0]} have not")
        return downsampling(self.kernel, size, y.dtype, y.device)
