"""What ties an estimate to its LR image: nothing, a penalty, or the affine projection."""

from abc import abstractmethod

import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.operators import ConvPinv, Downsampling, Kernel, downsampling


class Constraint(nn.Module):
    """Turns the network's output f [N, C, H, W] into an estimate of the HR image behind x [N, C, h, w]."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = kernel

    def operator(self, y: Tensor) -> Downsampling:
        """A for images as large as y, of its dtype, on its device."""
        height, width = y.shape[-2:]
        return downsampling(self.kernel, (height, width), y.dtype, y.device)

    def down(self, y: Tensor) -> Tensor:
        """A y: [N, C, H, W] → [N, C, h, w]."""
        return self.operator(y).down(y)

    @abstractmethod
    def forward(self, f: Tensor, x: Tensor) -> Tensor:
        """The estimate ŷ."""

    def penalty(self, estimate: Tensor, x: Tensor) -> Tensor | None:
        """What the generator pays besides its criterion; None for nothing."""
        return None


class Unconstrained(Constraint):
    """ŷ = f."""

    def forward(self, f: Tensor, x: Tensor) -> Tensor:
        """f itself."""
        return f


class Soft(Constraint):
    """ŷ = f, and the generator pays λ · MAE(x, A ŷ) (Appendix D)."""

    def __init__(self, kernel: Kernel, weight: float) -> None:
        super().__init__(kernel)
        self.weight = weight

    def forward(self, f: Tensor, x: Tensor) -> Tensor:
        """f itself."""
        return f

    def penalty(self, estimate: Tensor, x: Tensor) -> Tensor:
        """λ · MAE(x, A ŷ)."""
        return self.weight * functional.l1_loss(self.down(estimate), x)


class Affine(Constraint):
    """ŷ = Π f = f + A⁺(x − A f), eqn (7), with the exact A⁺."""

    def forward(self, f: Tensor, x: Tensor) -> Tensor:
        """Π f."""
        return self.operator(f).project(f, x)


class AffineConvolution(Constraint):
    """ŷ = f + B(x − A f), with B the paper's convolution and pixel shuffle in place of A⁺ (Appendix B).

    Trainable or fixed; the four curves of Figure 2 are these × a fitted or a random start.
    """

    def __init__(self, kernel: Kernel, kernels: Tensor, trainable: bool) -> None:
        """`kernels`: [scale², k, k], one per output phase."""
        super().__init__(kernel)
        self.kernels = nn.Parameter(kernels.float().clone(), requires_grad=trainable)

    def pinv(self, r: Tensor) -> Tensor:
        """B r: [N, C, h, w] → [N, C, H, W], colour by colour."""
        return ConvPinv(self.kernels).pinv(r)

    def forward(self, f: Tensor, x: Tensor) -> Tensor:
        """f + B(x − A f)."""
        with torch.autocast(f.device.type, enabled=False):
            return ConvPinv(self.kernels).project(f, x, self.operator(f))
