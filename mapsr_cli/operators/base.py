"""The interface of every downsampling operator."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor

from mapsr_cli.operators.resizing import AnyKernel


@dataclass(frozen=True, eq=False)
class Downsampling(ABC):
    """The linear map A that turns an HR image into its LR original, at one HR size, dtype and device.

    Images are [..., H, W] (each leading index an independent plane), LR [..., ⌈H/s⌉, ⌈W/s⌉], any range and unit;
    dtype and device as given to `downsampling`. Everything is linear, differentiable and free of clamps.
    """

    kernel: AnyKernel
    ridge: float

    @property
    @abstractmethod
    def hr_size(self) -> tuple[int, int]:
        """(H, W) of the HR image."""

    @property
    @abstractmethod
    def lr_size(self) -> tuple[int, int]:
        """(h, w) of the LR image."""

    def hr(self, part: slice) -> slice:
        """Return the HR rows of a range of LR rows."""
        rows = self.kernel.hr_range(part)
        return slice(rows.start, min(rows.stop, self.hr_size[0]))

    @property
    @abstractmethod
    def condition(self) -> float:
        """Condition number of AAᵀ: of the worse axis where A is separable, else of the plane."""

    @abstractmethod
    def down(self, y: Tensor) -> Tensor:
        """Apply A: y [..., H, W] → A y [..., h, w], eqn (5)."""

    @abstractmethod
    def adjoint(self, r: Tensor) -> Tensor:
        """Apply Aᵀ: r [..., h, w] → [..., H, W]."""

    @abstractmethod
    def inverse_gram(self, r: Tensor) -> Tensor:
        """Apply (AAᵀ)⁻¹: r [..., h, w] → [..., h, w]."""

    def invert_gram(self, r: Tensor) -> None:
        """Put (AAᵀ)⁻¹ r in the place of r [C, h, w]. No autograd."""
        for plane in r:
            plane.copy_(self.inverse_gram(plane))

    def pinv(self, r: Tensor) -> Tensor:
        """Apply A⁺ = Aᵀ(AAᵀ)⁻¹: r [..., h, w] → the HR image [..., H, W] of smallest norm with A y = r."""
        return self.adjoint(self.inverse_gram(r))

    def project(self, f: Tensor, x: Tensor) -> Tensor:
        """Project f [..., H, W] onto {y : A y = x}, x [..., h, w]: the nearest point Π f = f + A⁺(x − A f), eqn (7)."""
        return f + self.pinv(x - self.down(f))
