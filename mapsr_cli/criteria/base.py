"""The contract between criteria and the loop.

An estimate is ŷ = Π(f(x)); a criterion says what a good one is. The loop owns time, data, devices and files; a
criterion owns what it trains besides the generator.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Literal, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from mapsr_cli.criteria.muon import Muon
from mapsr_cli.errors import UsageError
from mapsr_cli.networks import Constraint
from mapsr_cli.operators import Evidence, Kernel

Scalars = Mapping[str, Tensor | float]
"""What a step reports: scalars by name."""
State = dict[str, Any]
"""What a checkpoint keeps: tensors, numbers, strings, and lists and dicts of them."""
Judge = Literal["nothing", "discriminator", "denoiser", "density"]
"""What a criterion needs besides the generator, to tell good estimates from bad."""


@dataclass(frozen=True)
class Patches:
    """HR patches to learn from."""

    y: Tensor
    """[N, C, H, W]. Images: uint8 as they are read, float32 in [0, 1] on the device; points: float32 as they are."""
    blend: Tensor | None = None
    """[N, C, H, W], float32: y mixed with a teacher's estimates of it; None without a teacher."""
    x: Tensor | None = None
    """[N, C, h, w], in y's unit: degraded LR images of y; None where x = A y."""
    evidence: Evidence | None = None
    """What these say of A y, in [0, 1]; None: A y = x."""

    def __len__(self) -> int:
        return len(self.y)

    @property
    def target(self) -> Tensor:
        """What an estimate should be: y, or y mixed with a teacher's estimate."""
        return self.y if self.blend is None else self.blend

    def pin_memory(self) -> "Patches":
        """Return a copy in page-locked memory, which goes to a CUDA device faster."""
        return self._each(Tensor.pin_memory)

    def to(self, device: torch.device) -> "Patches":
        """Return float32 patches on a device; uint8 levels 0 … 255 become [0, 1]."""

        def moved(pixels: Tensor) -> Tensor:
            pixels = pixels.to(device, non_blocking=True)
            return pixels if pixels.is_floating_point() else pixels.float() / 255

        evidence = None if self.evidence is None else self.evidence.to(device)
        return replace(self._each(moved), evidence=evidence)

    def _each(self, function: Callable[[Tensor], Tensor]) -> "Patches":
        blend, x = (None if part is None else function(part) for part in (self.blend, self.x))
        return replace(self, y=function(self.y), blend=blend, x=x)


@dataclass(eq=False)
class Player:
    """A network and the optimiser that moves it. The loop may wrap both (for devices, precision, many processes)."""

    network: nn.Module
    optimiser: torch.optim.Optimizer
    steady: bool = False
    """Keep the peak learning rate after the warm-up, whatever the run's schedule."""
    bare: nn.Module = field(init=False)
    """The network without the loop's wrapping: for passes that train something else."""

    def __post_init__(self) -> None:
        self.bare = self.network


class Stage(Protocol):
    """What the loop provides for one step."""

    @property
    def progress(self) -> float:
        """How much of the run is done, 0 … 1."""

    def draw(self) -> Patches:
        """Draw the next HR patches, float32, on the device."""

    def update(self, player: Player, loss: Callable[[], tuple[Tensor, Scalars]]) -> Scalars:
        """Take one optimiser step on `loss`, which draws its own data: it is called once per accumulated part.

        Returns the report, each value a mean over parts and processes: what is decided by it is decided alike on all.
        A loss that is not finite moves nothing and is counted.
        """


@dataclass(frozen=True)
class LearningConfig:
    """How a network learns."""

    rate: float = 1e-3
    """Peak learning rate (Adam)."""
    beta1: float = 0.9
    """Adam's decay of the gradient's mean."""
    beta2: float = 0.99
    """Adam's decay of the gradient's mean square."""
    muon_rate: float = 0.0
    """Peak learning rate of Muon, which then moves the weights of all convolutions and linear layers but the first and
    the last; 0: Adam moves them all."""

    def optimiser(self, network: nn.Module) -> torch.optim.Optimizer:
        """Make Adam, or Muon and Adam, as these fields say. Raises UsageError where Muon has nothing to move."""
        betas = self.beta1, self.beta2
        if self.muon_rate:
            return Muon(network, self.muon_rate, self.rate, betas)
        return torch.optim.Adam(network.parameters(), self.rate, betas)


@dataclass(frozen=True)
class CriterionConfig(LearningConfig):
    """How a generator learns under a criterion, and weights of terms that are added to it; at 0 there is no term."""

    weight: float = 1.0
    """Weight of the criterion's own objective."""
    content: float = 0.0
    """Weight of the mean absolute error."""
    predictable: float = 0.0
    """e₀ of the content term, in image units: around pixels with an error of e₀ it weighs half, with 2 e₀ a fifth. 0:
    it weighs the same everywhere."""
    perceptual: float = 0.0
    """Weight of the distance between features of EfficientNet-Lite0. Needs the extra `features`."""
    frequency: float = 0.0
    """Weight of the mean absolute error of the Fourier transforms."""
    matching: float = 0.0
    """Weight of the distance between the discriminator's features."""
    lattice: float = 0.0
    """Weight of the mean absolute error of the pixel shuffle's phases over a block, as a share of its contrast."""
    phases: float = 0.0
    """Weight of the mean absolute difference of how detail is spread over the pixel shuffle's phases, in logarithms."""
    energy: float = 0.0
    """Weight of the mean absolute logarithm of gradient energy's ratio, block by block."""
    spectrum: float = 0.0
    """Weight of the mean absolute logarithm of power's ratio, frequency by frequency."""


class Criterion(ABC):
    """What trains the generator. A subclass needs `loss`; the rest is for those that train something beside it."""

    Config: ClassVar[type[CriterionConfig]] = CriterionConfig
    needs: ClassVar[Judge] = "nothing"
    """What `judge` is: a discriminator to train, or `Snapshots` of a prior that is trained already."""
    paired: ClassVar[bool] = False
    """Whether an estimate is compared with the very image that x came from, for which a teacher may stand in."""

    def __init__(self, config: CriterionConfig, judge: nn.Module | None = None) -> None:
        self.config = config

    @abstractmethod
    def loss(self, estimate: Tensor, truth: Tensor, progress: float) -> tuple[Tensor, Scalars]:
        """Compute the generator's objective for ŷ [N, C, H, W], with gradient, and what to report.

        `truth` [N, C, H, W] is `Patches.target`: only MSE and MAE compare it with ŷ image by image.
        """

    def bind(self, constraint: Constraint) -> None:  # noqa: B027
        """Take the constraint that estimates obey, before training begins."""

    def prepare(self, stage: Stage, sample: Callable[[], tuple[Tensor, Tensor]]) -> Scalars:
        """Train what judges the generator, before it moves. `sample()` gives fresh (y, ŷ), without gradient."""
        return {}

    def players(self) -> Iterator[tuple[str, Player]]:
        """Yield what it trains besides the generator, by name."""
        return iter(())

    def modules(self) -> Iterator[nn.Module]:
        """Yield networks that it uses but does not train: the loop moves them to the device."""
        return iter(())

    def state(self) -> State:
        """Return what a resumed run needs beyond the players' weights and optimisers."""
        return {}

    def load_state(self, state: State) -> None:  # noqa: B027
        """Go on from `state()`."""


@runtime_checkable
class Adversary(Protocol):
    """A criterion that trains a discriminator."""

    discriminator: Player

    def view(self, images: Tensor) -> Tensor:
        """Make of images [N, C, H, W] what the discriminator sees of them, but for noise: the same of all."""


class Term(ABC):
    """What may be added to a criterion, by a weight: how much ŷ differs from y in one respect."""

    def __init__(self, criterion: Criterion) -> None:  # noqa: B027
        """Take the criterion that it is added to. Raises UsageError where the term cannot do with it."""

    def bind(self, constraint: Constraint) -> None:  # noqa: B027
        """Take the constraint that estimates obey, before training begins."""

    @abstractmethod
    def value(self, estimate: Tensor, truth: Tensor) -> Tensor:
        """Compute the difference between ŷ, with gradient, and y, [N, C, H, W] both: a scalar."""

    def modules(self) -> Iterator[nn.Module]:
        """Yield networks that it uses: the loop moves them to the device."""
        return iter(())


class PhaseTerm(Term):
    """A term that looks at the phases of the pixel shuffle, of which there are scale²."""

    name: ClassVar[str]
    """Its field in `CriterionConfig`."""
    scale: int
    """HR pixels per LR pixel, once it is bound."""

    def bind(self, constraint: Constraint) -> None:
        """Take the scale. Raises UsageError where A makes no image smaller by a whole factor."""
        if not isinstance(constraint.kernel, Kernel):
            raise UsageError(f"criterion.{self.name} needs a kernel with a whole scale")
        self.scale = constraint.kernel.scale


class Learner(ABC):
    """What the loop trains: a super-resolution network under a method, or a prior."""

    @abstractmethod
    def players(self) -> Iterator[tuple[str, Player]]:
        """Yield every network that is trained, by name. The first is the result: averaged, validated, saved."""

    @abstractmethod
    def step(self, stage: Stage) -> Scalars:
        """Train for one step."""

    def modules(self) -> Iterator[nn.Module]:
        """Yield networks that are not trained: the loop moves them to the device."""
        return iter(())

    def state(self) -> State:
        """Return what a resumed run needs beyond the players' weights and optimisers."""
        return {}

    def load_state(self, state: State) -> None:  # noqa: B027
        """Go on from `state()`."""

    def level(self, progress: float) -> float:
        """Return where a prior's snapshot lies between poor and good: the denoiser's σ; 0 for others."""
        return 0.0


class PriorLearner(Learner):
    """A network that learns from images alone, to guide generators later. A subclass needs `loss`."""

    Config: ClassVar[type[LearningConfig]] = LearningConfig

    def __init__(self, config: LearningConfig, network: nn.Module) -> None:
        self.config = config
        self.prior = Player(network, config.optimiser(network))

    def players(self) -> Iterator[tuple[str, Player]]:
        """Yield the prior."""
        yield "prior", self.prior

    def step(self, stage: Stage) -> Scalars:
        """Take one optimiser step on fresh images."""
        return stage.update(self.prior, lambda: self.loss(stage.draw().y, stage.progress))

    @abstractmethod
    def loss(self, y: Tensor, progress: float) -> tuple[Tensor, Scalars]:
        """Compute the prior's objective on images y [N, C, H, W], with gradient, and what to report."""
