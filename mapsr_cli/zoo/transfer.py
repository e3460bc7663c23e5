"""What the Hub may send: so many bytes, in so much time.

Neither httpx nor huggingface_hub limits an answer: an endless body fills memory, and a byte now and then holds a
process for ever, as their timeouts are those of single reads.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any, TypeVar
from urllib.parse import urlsplit

ByteProgress = Callable[[int, int], None]
"""Called with (bytes done, bytes in all)."""
LARGEST = 1 << 29
"""Bytes of a checkpoint, of which the Hub has stated the size."""
LARGEST_UNSTATED = 1 << 26
"""Bytes of one of which it has not."""
LARGEST_ANSWER = 1 << 20
"""Bytes of any other answer."""
PATIENCE = 30.0
"""Seconds until an answer begins, and that a body may take whatever its size."""
LEAST_RATE = 10_000
"""Bytes per second that a body must come with, else."""
_ATTEMPTS = 4
T = TypeVar("T")


class TransferLimitError(Exception):
    """The Hub sends too much, or too slowly."""


def silent(done: int, total: int) -> None:
    """Show no progress."""


def within(seconds: float, action: Callable[[], T]) -> T:
    """Return what `action` returns, and raise what it raises; TransferLimitError if that takes longer.

    It runs in a thread, which then goes on by itself until its connection ends.
    """
    outcome: SimpleQueue[tuple[T | None, BaseException | None]] = SimpleQueue()

    def work() -> None:
        try:
            outcome.put((action(), None))
        except BaseException as error:
            outcome.put((None, error))

    Thread(target=work, daemon=True).start()
    try:
        value, error = outcome.get(timeout=max(seconds, 0))
    except Empty:
        raise TransferLimitError(f"no answer within {seconds:.0f} s") from None
    if error is not None:
        raise error
    return value  # type: ignore[return-value]


class Allowance:
    """How many bytes of a body may still come, and until when."""

    def __init__(self, most: int, seconds: float | None = None) -> None:
        """Allow `most` bytes; without `seconds`, PATIENCE and what they take at LEAST_RATE."""
        self.most, self.seconds, self.began = most, seconds, time.monotonic()
        self.taken = self.dropped = 0

    @property
    def left(self) -> float:
        """Seconds that are left at this size."""
        allowed = PATIENCE + self.taken / LEAST_RATE if self.seconds is None else self.seconds
        return self.began + allowed - time.monotonic()

    def take(self, count: int) -> None:
        """Count bytes that came. Raises TransferLimitError where they are too many, or too slow."""
        self.taken += count
        if self.taken - self.dropped > self.most:
            raise TransferLimitError(f"an answer of more than {self.most} bytes")
        if self.left < 0:
            raise TransferLimitError(f"too slow an answer: {self.taken} bytes so far")


def download(url: str, allowance: Allowance, progress: ByteProgress = silent) -> bytearray:
    """Get a file of at most `allowance.most` bytes; a connection that breaks is taken up again where it broke.

    Raises TransferLimitError, and what the HTTP library raises: for an answer that is no success, an error with its
    `response`.
    """
    data = bytearray()
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _append(data, url, allowance, progress)
        except Exception as error:  # the HTTP library's own kinds, which are named after its version
            refused = getattr(error, "response", None) is not None or isinstance(error, TransferLimitError)
            if refused or attempt == _ATTEMPTS:
                raise
            time.sleep(0.2 * 2**attempt)
        else:
            break
    return data


def _append(data: bytearray, url: str, allowance: Allowance, progress: ByteProgress) -> None:
    """Get the rest of a file."""
    from huggingface_hub import constants, get_session

    client: Any = get_session()
    headers = _headers(url) | ({"Range": f"bytes={len(data)}-"} if data else {})
    request = client.build_request("GET", url, headers=headers, timeout=constants.HF_HUB_DOWNLOAD_TIMEOUT)
    response = within(allowance.left, lambda: client.send(request, stream=True, follow_redirects=True))
    try:
        if not response.is_success:
            raise _status_error(response)
        if response.status_code != 206:  # from the beginning
            data.clear()
            allowance.dropped = allowance.taken
        for piece in response.iter_raw():
            allowance.take(len(piece))
            data += piece
            progress(len(data), allowance.most)
    finally:
        response.close()


def _headers(url: str) -> dict[str, str]:
    """Make a request's headers, with the user's token for the Hub itself alone: files lie with others."""
    from huggingface_hub import constants
    from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

    headers: dict[str, str] = {**build_hf_headers(), "Accept-Encoding": "identity"}
    if urlsplit(url).netloc != urlsplit(constants.ENDPOINT).netloc:
        headers.pop("authorization", None)
    return headers


def _status_error(response: Any) -> Exception:
    """Make an error that has the response, whose body nobody reads."""
    error = Exception(f"status {response.status_code}")
    error.response = response  # type: ignore[attr-defined]
    return error


@contextmanager
def limited_answers() -> Iterator[None]:
    """Limit the bodies of whatever huggingface_hub gets inside, each to LARGEST_ANSWER and PATIENCE."""
    from huggingface_hub import get_session

    client: Any = get_session()
    base: Any = import_module(type(client).__module__.partition(".")[0]).SyncByteStream  # httpx, or what follows it

    class Limited(base):  # type: ignore[misc]
        def __init__(self, stream: Any) -> None:
            self.stream, self.allowance = stream, Allowance(LARGEST_ANSWER)

        def __iter__(self) -> Iterator[bytes]:
            for piece in self.stream:
                self.allowance.take(len(piece))
                yield piece

        def close(self) -> None:
            self.stream.close()

    def limit(response: Any) -> None:
        response.stream = Limited(response.stream)

    hooks = client.event_hooks
    client.event_hooks = {**hooks, "response": [*hooks["response"], limit]}
    try:
        yield
    finally:
        client.event_hooks = hooks
