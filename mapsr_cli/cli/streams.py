"""Standard input and output as a command finds them, whatever its caller did to them."""

import io
import os
import sys
from typing import BinaryIO, cast


def open_streams() -> None:
    """Make usable streams of closed ones, and of those that cannot encode every name.

    Python has None in place of a closed stream, and the next file that is opened would get its number. What is written
    to a closed standard output fails, as it must; what is written to a closed standard error is lost. Characters that
    a stream's encoding lacks (redirected output on Windows) are written as escapes.
    """
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
    if sys.stdout is None:
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")  # nothing can be written into it
    if sys.stderr is None:
        sys.stderr = os.fdopen(os.open(os.devnull, os.O_WRONLY), "w")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def open_input() -> BinaryIO:
    """Return standard input past Python's buffer: a thread that waits in there keeps Python from ending."""
    try:
        handle = sys.stdin.fileno()
    except OSError:  # no file of the system's
        return sys.stdin.buffer
    return cast(BinaryIO, io.FileIO(handle, closefd=False))
