"""A tall image kept as chunks of rows, so that memory is taken as it fills and given back as it is used up."""

import torch
from torch import Tensor


class Chunks:
    """[C, H, W] in chunks of rows."""

    def __init__(self, rows: list[slice]) -> None:
        self._rows = rows
        self._kept: dict[int, Tensor] = {}

    def write(self, rows: slice, cols: slice, width: int, values: Tensor, times: float = 1) -> None:
        """Put values [C, rows, cols], multiplied, into an image of that width; memory is taken as it is needed."""
        for index, chunk in enumerate(self._rows):
            start, stop = max(chunk.start, rows.start), min(chunk.stop, rows.stop)
            if start < stop:
                if index not in self._kept:
                    self._kept[index] = values.new_empty(len(values), chunk.stop - chunk.start, width)
                part = values[:, start - rows.start : stop - rows.start]
                torch.mul(part, times, out=self._kept[index][:, start - chunk.start : stop - chunk.start, cols])

    def read(self, rows: slice) -> Tensor:
        """Return rows that have been written; where one chunk holds them, its very memory."""
        parts = [
            self._kept[index][:, max(rows.start - chunk.start, 0) : rows.stop - chunk.start]
            for index, chunk in enumerate(self._rows)
            if chunk.start < rows.stop and rows.start < chunk.stop
        ]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)

    def add(self, rows: slice, values: Tensor) -> None:
        """Add values [C, rows, W] to rows that have been written."""
        for index, chunk in enumerate(self._rows):
            start, stop = max(chunk.start, rows.start), min(chunk.stop, rows.stop)
            if start < stop:
                kept = self._kept[index][:, start - chunk.start : stop - chunk.start]
                kept.add_(values[:, start - rows.start : stop - rows.start])

    def drop_before(self, row: int) -> None:
        """Free the chunks that end at that row or before it."""
        for index, chunk in enumerate(self._rows):
            if chunk.stop <= row:
                self._kept.pop(index, None)
