"""SIGINT and SIGTERM as a wish to stop after the present step, with a checkpoint."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class Wish:
    """Whether someone asked to stop, and by which signal."""

    signal: int | None = None


@contextmanager
def stop_wishes() -> Iterator[Wish]:
    """While inside, the first signal is noted; a second one acts as usual (for who does not want to wait)."""
    wish = Wish()
    if threading.current_thread() is not threading.main_thread():  # signals cannot be caught elsewhere
        yield wish
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        wish.signal = number
        for each, handler in before.items():
            signal.signal(each, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield wish
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
