"""A command that computes starts faster."""

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def heavy_imports() -> Iterator[None]:
    """Import torch and what needs it in here, and nowhere before.

    What imports create stays until the end, so garbage collection is off meanwhile: it takes 0.1 s, more than once.
    The variable has torch ask for pages of 2 MB. It is read when torch starts. Activations of hundreds of megabytes
    are then allocated in 512 times fewer steps.
    """
    os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
