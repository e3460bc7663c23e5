"""Sections of a recipe that are neither a network's, a criterion's, the data's nor the loop's."""

from dataclasses import dataclass
from typing import Literal

from mapsr_cli.errors import UsageError
from mapsr_cli.imaging import find_kernel
from mapsr_cli.operators import Kernel

ProjectionKind = Literal["exact", "fitted", "fitted-trainable", "random", "random-trainable"]


@dataclass(frozen=True)
class KernelConfig:
    """The downsampling kernel of A."""

    name: str = "bicubic"
    """`gaussian9`, `bicubic`, `file:psf.npy`, …"""
    scale: int = 4
    """HR pixels per LR pixel."""
    sigma: float | None = None
    """Standard deviation of a Gaussian, in HR pixels."""
    rounded: bool = False
    """Learn from A y as an 8-bit file has it, clipped and rounded, rather than from A y itself. For images."""

    def make(self) -> Kernel:
        """Make the kernel."""
        return find_kernel(self.name, self.scale, self.sigma)


@dataclass(frozen=True)
class ConstraintConfig:
    """How the estimate is constrained by its LR image."""

    weight: float = 1.0
    """λ of the soft constraint's MAE(x, Aŷ)."""
    projection: ProjectionKind = "exact"
    """A⁺ of the affine constraint: exact, or the paper's convolution, fixed or trainable × fitted or random."""
    pinv: str | None = None
    """File of fit-pinv with A⁺, for the fitted ones; none: it is computed here."""
    taps: int = 5
    """Side of the convolution's kernels, in LR pixels."""


@dataclass(frozen=True)
class PriorConfig:
    """Where a guided method's snapshots come from."""

    run: str | None = None
    """Folder of a prior's run; none: one is trained first, and kept for the next run with the same settings."""
    steps: int = 20_000
    """Length of that first stage."""
    snapshots: int = 8
    """Copies kept along it, poor to good."""

    def __post_init__(self) -> None:
        if min(self.steps, self.snapshots) < 1:
            raise UsageError(f"a prior of {self.steps} steps and {self.snapshots} snapshots", "at least 1 of each")


@dataclass(frozen=True)
class TeacherConfig:
    """Distillation: MSE and MAE compare with a blend of y and a teacher's estimates."""

    weights: str | None = None
    """A model for the same A, by name or path, or a file of another tool's network as `--backbone` takes it (for the
    same scale); none: no teacher, or `estimates`."""
    estimates: str | None = None
    """Folder of HR estimates of the training images, under their names; see docs/training.md."""
    share: float = 0.5
    """The target is (1 − share) · y + share · estimate."""
    patches: int = 8192
    """Patches that it estimates beforehand; the run draws from these alone."""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise UsageError(f"a teacher's share of {self.share}", "above 0, at most 1")
        if self.weights is not None and self.estimates is not None:
            raise UsageError("teacher.weights and teacher.estimates exclude each other", "give one of them")
        if self.patches < 1:
            raise UsageError(f"a teacher of {self.patches} patches", "at least 1")


PLACES = (("constraint", "pinv"), ("data", "pairs"), ("teacher", "weights"), ("teacher", "estimates"), ("prior", "run"))
"""Settings, as (section, field), that may be the path of a file or folder. (A measured kernel's path is its name:
`verify` looks there for it.)"""
