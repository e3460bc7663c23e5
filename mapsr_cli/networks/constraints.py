"""What ties an estimate to its original: nothing, a penalty, or the affine projection Π, eqn (7).

A constraint decides how a network's output f becomes the estimate: by which A⁺ (the exact one, or a learnt B), towards
which point of what the original says (`operators.evidence`). The equation stands here, once; it is computed for whole
tensors by `Constraint.forward`, strip by strip by `inference.projection`, and as an ONNX graph by
`inference.onnx_modules`.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import ClassVar, Literal

from torch import Tensor, nn

from mapsr_cli.errors import UsageError
from mapsr_cli.operators import (
    AnyKernel,
    ConvPinv,
    Downsampling,
    Evidence,
    Kernel,
    Psf,
    downsampling,
    fixed_downsampling,
)

ConstraintKind = Literal["none", "soft", "affine"]
FirstGuess = Literal["picture", "detail", "original"]
"""What is taken for A y before the evidence is asked: A f, where f is a picture; x + A f, where f is detail to add to
A⁺x and was trained through evidence; x, where f was trained under A ŷ = x, so that A f means nothing."""


class Constraint(nn.Module):
    """Turns the network's output f [N, C, H, W] into an estimate ŷ of the HR image behind an LR original."""

    kind: ClassVar[ConstraintKind]
    """Its name in the table of methods and in a checkpoint's card."""
    projects: ClassVar[bool] = False
    """Whether the estimate is Π f."""
    consistent: ClassVar[bool] = False
    """Whether A ŷ lies in the evidence, whatever f."""

    def __init__(self, kernel: AnyKernel) -> None:
        super().__init__()
        self.kernel = kernel
        self.fixed: tuple[int, int] | None = None
        """HR size (H, W) that is asked for again and again, as training's patches are; None: no such size."""

    def operator(self, y: Tensor) -> Downsampling:
        """Make A for images as large as y [..., H, W], of its dtype, on its device."""
        height, width = y.shape[-2:]
        if (height, width) == self.fixed and isinstance(self.kernel, Psf):
            return fixed_downsampling(self.kernel, self.fixed, y.dtype, y.device)
        return downsampling(self.kernel, (height, width), y.dtype, y.device)

    def down(self, y: Tensor) -> Tensor:
        """Apply A: [N, C, H, W] → [N, C, h, w]."""
        return self.operator(y).down(y)

    def pinv(self, r: Tensor, f: Tensor) -> Tensor:
        """Apply A⁺: r [N, C, h, w] → [N, C, H, W], the size of f."""
        return self.operator(f).pinv(r)

    @abstractmethod
    def residual(self, down: Callable[[], Tensor], evidence: Evidence) -> Tensor | None:
        """Return r [..., C, h, w], of which A⁺ r is added to f; None where the estimate is f.

        `down` computes A f, where it is needed; `evidence` is what the original says, in the unit of f.
        """

    def forward(self, f: Tensor, evidence: Evidence) -> Tensor:
        """Compute ŷ = f + A⁺ r: [N, C, H, W] → [N, C, H, W]."""
        r = self.residual(lambda: self.down(f), evidence)
        return f if r is None else f + self.pinv(r, f)

    def penalty(self, estimate: Tensor, evidence: Evidence) -> Tensor | None:
        """Return what the generator pays besides its criterion for ŷ [N, C, H, W]; None for nothing."""
        return None

    def unprojected(self, kernel: Kernel) -> "Constraint":
        """Make the constraint that its network's f is a picture under where Π is left out, with `kernel` as A."""
        return Unconstrained(kernel)


class Unconstrained(Constraint):
    """ŷ = f."""

    kind: ClassVar[ConstraintKind] = "none"

    def residual(self, down: Callable[[], Tensor], evidence: Evidence) -> None:
        """Return None: the estimate is f."""


class Soft(Unconstrained):
    """ŷ = f, and the generator pays λ times the mean of how far A ŷ lies from the evidence.

    Of a point x, that is λ · MAE(x, A ŷ) (Appendix D).
    """

    kind: ClassVar[ConstraintKind] = "soft"

    def __init__(self, kernel: Kernel, weight: float) -> None:
        """Take λ = `weight` ≥ 0."""
        super().__init__(kernel)
        self.weight = weight

    def penalty(self, estimate: Tensor, evidence: Evidence) -> Tensor:
        """Return λ · mean violation of A ŷ, a scalar."""
        return self.weight * evidence.violation(self.down(estimate)).mean()


class Affine(Constraint):
    """ŷ = Π f = f + A⁺(z − A f), eqn (7), with the exact A⁺ and z = P_C(u): A ŷ = z, which the evidence C holds.

    u is a first guess of A y: A f, or as `guess` says. Of a point x, z = x, whatever u.
    """

    kind: ClassVar[ConstraintKind] = "affine"
    projects = consistent = True

    def __init__(self, kernel: AnyKernel, guess: FirstGuess = "picture") -> None:
        super().__init__(kernel)
        self.guess = guess

    def residual(self, down: Callable[[], Tensor], evidence: Evidence) -> Tensor:
        """Return z − A f."""
        seen = down()
        match self.guess:
            case "picture":
                return evidence.nearest(seen) - seen
            case "detail":
                return evidence.nearest(evidence.x + seen) - seen
            case "original":
                return evidence.nearest(evidence.x) - seen

    def unprojected(self, kernel: Kernel) -> Constraint:
        """Make the constraint of a network that adds detail to A⁺x."""
        return MinimumNorm(kernel)


class AffineConvolution(Affine):
    """ŷ = f + B(z − A f), with B the paper's convolution and pixel shuffle in place of A⁺ (Appendix B).

    Trainable or fixed; the four curves of Figure 2 are these × a fitted or a random start.
    """

    consistent = False

    def __init__(self, kernel: Kernel, kernels: Tensor, trainable: bool = False, guess: FirstGuess = "picture") -> None:
        """Take B's `kernels` [scale², k, k], one per output phase. Raises UsageError for another shape."""
        super().__init__(kernel, guess)
        if len(kernels) != kernel.scale**2:
            raise UsageError(f"a learnt A⁺ at ×{kernel.scale} takes {kernel.scale**2} kernels, not {len(kernels)}")
        self.kernels = nn.Parameter(ConvPinv(kernels).kernels.float().clone(), requires_grad=trainable)

    def pinv(self, r: Tensor, f: Tensor) -> Tensor:
        """Apply B, colour by colour: r [N, C, h, w] → [N, C, H, W], the size of f."""
        return ConvPinv(self.kernels).pinv(r)[..., : f.shape[-2], : f.shape[-1]]


class MinimumNorm(Constraint):
    """ŷ = f + A⁺x: what a network that was trained under Π estimates without it."""

    kind: ClassVar[ConstraintKind] = "none"

    def residual(self, down: Callable[[], Tensor], evidence: Evidence) -> Tensor:
        """Return x."""
        return evidence.x


def make_constraint(
    kind: str,
    kernel: Kernel,
    *,
    weight: float = 1.0,
    pinv: Tensor | None = None,
    trainable: bool = False,
    guess: FirstGuess = "original",
) -> Constraint:
    """Make a constraint of its name: `none`, `soft` (with λ = `weight`) or `affine` (with its first `guess`).

    `pinv` [scale², k, k] are the kernels of a learnt A⁺, without which an affine one has the exact A⁺; `trainable` says
    whether they go on learning. Raises UsageError for another name, or kernels that do not fit.
    """
    if kind == "affine":
        return Affine(kernel, guess) if pinv is None else AffineConvolution(kernel, pinv, trainable, guess)
    if pinv is not None:
        raise UsageError(f"a learnt A⁺ goes with the constraint 'affine', not with '{kind}'")
    if kind == "soft":
        return Soft(kernel, weight)
    if kind == "none":
        return Unconstrained(kernel)
    raise UsageError(f"unknown constraint '{kind[:80]}'", "known: none, soft, affine")
