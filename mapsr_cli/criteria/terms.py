"""Terms that may be added to a criterion, by name, and the weighted sum. A new one: a row, a weight in base.py."""

from collections.abc import Callable, Iterator, Mapping

from torch import Tensor, nn

from mapsr_cli.criteria.base import Criterion, Player, Scalars, Stage, State, Term
from mapsr_cli.criteria.content import Content
from mapsr_cli.criteria.energy import Energy
from mapsr_cli.criteria.frequency import Frequency
from mapsr_cli.criteria.lattice import Lattice
from mapsr_cli.criteria.matching import Matching
from mapsr_cli.criteria.perceptual import PerceptualDistance
from mapsr_cli.criteria.phases import Phases
from mapsr_cli.criteria.spectrum import Spectrum
from mapsr_cli.errors import UsageError
from mapsr_cli.networks import Constraint

TERMS: dict[str, type[Term]] = {
    "content": Content,
    "perceptual": PerceptualDistance,
    "frequency": Frequency,
    "matching": Matching,
    "lattice": Lattice,
    "phases": Phases,
    "energy": Energy,
    "spectrum": Spectrum,
}
"""Built by `term(criterion)`; its weight is the field of that name in `CriterionConfig`."""


def with_terms(criterion: Criterion) -> Criterion:
    """Add to a criterion the terms that its config gives a weight; return it as it is where there is nothing to weigh.

    Raises UsageError for a weight below zero, and where a term cannot do with the criterion.
    """
    weights = {name: float(getattr(criterion.config, name)) for name in ("weight", *TERMS)}
    if negative := [name for name, weight in weights.items() if not weight >= 0]:
        raise UsageError(f"criterion.{negative[0]}={weights[negative[0]]}", "a weight is zero or more")
    terms = {name: kind(criterion) for name, kind in TERMS.items() if weights[name]}
    return WeightedSum(criterion, terms) if terms or weights["weight"] != 1 else criterion


class WeightedSum(Criterion):
    """weight · (a criterion's own objective) + Σ weight · term; in everything else the criterion itself."""

    def __init__(self, own: Criterion, terms: Mapping[str, Term]) -> None:
        super().__init__(own.config)
        self.own, self.terms = own, terms

    def loss(self, estimate: Tensor, truth: Tensor, progress: float) -> tuple[Tensor, Scalars]:
        """Compute the sum; report the own objective as the criterion does, and each term, all without their weights."""
        value, report = self.own.loss(estimate, truth, progress)
        terms = {name: term.value(estimate, truth) for name, term in self.terms.items()}
        total = self.config.weight * value
        for name, term in terms.items():
            total = total + getattr(self.config, name) * term
        return total, {**report, **{name: term.detach() for name, term in terms.items()}}

    def bind(self, constraint: Constraint) -> None:
        """Pass the constraint on."""
        self.own.bind(constraint)
        for term in self.terms.values():
            term.bind(constraint)

    def prepare(self, stage: Stage, sample: Callable[[], tuple[Tensor, Tensor]]) -> Scalars:
        """Train what judges the generator."""
        return self.own.prepare(stage, sample)

    def players(self) -> Iterator[tuple[str, Player]]:
        """Yield the criterion's players."""
        return self.own.players()

    def modules(self) -> Iterator[nn.Module]:
        """Yield the criterion's modules, then those of the terms."""
        yield from self.own.modules()
        for term in self.terms.values():
            yield from term.modules()

    def state(self) -> State:
        """Return the criterion's state."""
        return self.own.state()

    def load_state(self, state: State) -> None:
        """Go on from `state()`."""
        self.own.load_state(state)
