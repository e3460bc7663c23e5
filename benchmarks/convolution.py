"""The pace of a 3×3 convolution, against which networks are measured in the same run."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch.nn import functional


def clock() -> float:
    """Return the process time of all threads together, divided among them, in seconds."""
    return time.process_time() / torch.get_num_threads()


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    """Time `repeats` runs; return the best in seconds."""
    times = []
    for _ in range(repeats):
        began = clock()
        work()
        times.append(clock() - began)
    return min(times)


@dataclass(frozen=True)
class Convolution:
    """A 3×3 convolution of one kind."""

    dtype: torch.dtype
    layout: torch.memory_format
    channels: int
    side: int

    def pace(self) -> float:
        """Return the best multiply-adds per second."""
        return 9 * self.work / seconds(self._made(), 4)

    def sustained(self, least: float = 1.0) -> float:
        """Measure multiply-adds per second over that many seconds."""
        run, began, times = self._made(), clock(), 0
        while clock() - began < least:
            run()
            times += 1
        return 9 * self.work * times / (clock() - began)

    def _made(self) -> Callable[[], object]:
        size = (1, self.channels, self.side, self.side)
        x = torch.rand(size).to(self.dtype).contiguous(memory_format=self.layout)
        w = torch.rand(self.channels, self.channels, 3, 3).to(self.dtype).contiguous(memory_format=self.layout)
        return lambda: functional.conv2d(x, w, padding=1)

    @property
    def work(self) -> int:
        return self.channels**2 * self.side**2

    def __str__(self) -> str:
        return f"{self.channels} channels, {self.side}², {self.dtype}, {self.layout}".replace("torch.", "")
