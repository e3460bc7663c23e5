"""Pixels of image files that are kept in memory, up to a number of bytes, for the samples to come."""

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


class PixelCache(Generic[Number]):
    """Pixels by path. What was kept stays: every image is drawn again sooner or later. Several threads may use it."""

    def __init__(self, megabytes: int) -> None:
        self._kept: dict[Path, NDArray[Number]] = {}
        self._room, self._lock = megabytes * 2**20, threading.Lock()

    def get(self, path: Path) -> NDArray[Number] | None:
        """Return what is kept; None where nothing is."""
        return self._kept.get(path)

    def keep(self, path: Path, size: int, make: Callable[[], NDArray[Number]]) -> None:
        """Keep what `make` returns, of `size` bytes, where there is room for it and nothing is kept yet."""
        with self._lock:
            if path not in self._kept and size <= self._room:
                self._room -= size
                self._kept[path] = make()
