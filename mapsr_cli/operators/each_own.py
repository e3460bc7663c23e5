"""The evidence of a batch whose originals are of several kinds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mapsr_cli.operators.evidence import Evidence


@dataclass(frozen=True, eq=False)
class EachOwn(Evidence):
    """The evidence of a batch [N, C, h, w] whose originals are of several kinds: each sample has its own."""

    parts: tuple[Evidence, ...]
    """Each about some of the samples: one [C, h, w], or several of a kind [n, C, h, w]."""
    rows: tuple[int | list[int], ...]
    """Which samples each part is about."""

    @classmethod
    def of(cls, parts: Sequence[Evidence], rows: Sequence[int | list[int]] | None = None) -> "EachOwn":
        """Join the evidence about originals [C, h, w] of one size, or about batches [n, C, h, w] and their `rows`."""
        chosen = tuple(range(len(parts)) if rows is None else rows)
        return cls(_in_order([part.x for part in parts], chosen), tuple(parts), chosen)

    def nearest(self, ay: Tensor) -> Tensor:
        """Project each sample of A y [N, C, h, w] onto its own set."""
        return self._each(lambda part, v: part.nearest(v), ay)

    def tolerance(self) -> tuple[Tensor, Tensor]:
        """Return each sample's own."""
        low, high = zip(*(part.tolerance() for part in self.parts), strict=True)
        return _in_order(low, self.rows), _in_order(high, self.rows)

    def describe(self) -> str:
        """Name the kinds, each once."""
        return "; ".join(dict.fromkeys(part.describe() for part in self.parts))

    def shrunk(self, by: float) -> "EachOwn":
        """Draw in each sample's own set."""
        return replace(self, parts=tuple(part.shrunk(by) for part in self.parts))

    def coordinates(self, v: Tensor) -> Tensor:
        """Apply each sample's own map."""
        return self._each(lambda part, u: part.coordinates(u), v)

    def coordinates_adjoint(self, c: Tensor) -> Tensor:
        """Apply the transpose of each sample's own map."""
        return self._each(lambda part, u: part.coordinates_adjoint(u), c)

    def lift(self, c: Tensor) -> Tensor:
        """Return each sample's own least change."""
        return self._each(lambda part, u: part.lift(u), c)

    def told(self) -> Tensor:
        """Return what a network is told of each sample [N, TOLD]."""
        return _in_order([part.told() if part.x.dim() == 4 else part.told()[0] for part in self.parts], self.rows)

    def _each(self, function: Callable[[Evidence, Tensor], Tensor], v: Tensor) -> Tensor:
        """Apply a function of evidence and images to each part of a batch [N, C, h, w]."""
        done = [function(part, v[row]) for part, row in zip(self.parts, self.rows, strict=True)]
        return _in_order(done, self.rows)


def _in_order(parts: Sequence[Tensor], rows: Sequence[int | list[int]]) -> Tensor:
    """Stack parts, each of one sample or of a batch of them, such that every sample lies in its row."""
    placed: dict[int, Tensor] = {}
    for part, row in zip(parts, rows, strict=True):
        placed.update([(row, part)] if isinstance(row, int) else zip(row, part.unbind(), strict=True))
    return torch.stack([placed[n] for n in range(len(placed))])
