"""A command that computes starts sooner."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Import torch and what needs it in here, and nowhere before.

    What imports make stays until the end, so looking for garbage in it (a tenth of a second, more than once) is in
    vain. And torch shall ask for large pages, which it does only if told before it starts: activations come and go by
    the hundred megabytes, and in pages of 2 MB the system hands them out in 512 times fewer steps.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
