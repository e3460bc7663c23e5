"""Counts of images found, damaged, small and served."""

import threading
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DataCounts:
    """What a process has read so far. An image counts once, however often it is drawn."""

    found: int = 0
    """Image files (in shards: those read so far)."""
    corrupt: int = 0
    """Damaged, empty or missing images (and shards): skipped, and the next image takes their place."""
    small: int = 0
    """Images with a side less than half a patch's: skipped likewise."""
    padded: int = 0
    """Images smaller than a patch, but at least half of it: mirrored at the bottom and right edges."""
    served: int = 0
    """Patches that the training has received."""


@dataclass
class Ledger:
    """Collects what `DataCounts` reports; several threads write to it."""

    corrupt: set[str] = field(default_factory=set)
    small: set[str] = field(default_factory=set)
    padded: set[str] = field(default_factory=set)
    served: int = 0
    _found: dict[str, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def saw(self, place: str, images: int) -> None:
        """Record that a folder, list or shard has at least that many images."""
        with self._lock:
            self._found[place] = max(images, self._found.get(place, 0))

    def rejected(self, name: str) -> bool:
        """Return whether an image is known to be damaged or too small."""
        return name in self.corrupt or name in self.small

    def counts(self) -> DataCounts:
        """Return the counts as of now."""
        with self._lock:
            found = sum(self._found.values())
        return DataCounts(found, len(self.corrupt), len(self.small), len(self.padded), self.served)
