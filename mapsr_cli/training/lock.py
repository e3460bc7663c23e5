"""One process at a time in a folder of a training."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mapsr_cli.errors import FileError
from mapsr_cli.files import make_folder

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def locked(folder: Path, wanted: bool = True) -> Iterator[None]:
    """Make a folder, and hold it while inside; nothing of the lock stays behind, not even after `kill -9`.

    Where the system or the file system has no such locks, and if not `wanted`, the folder is only made. Raises
    FileError where another process holds it.
    """
    make_folder(folder)
    if fcntl is None or not wanted:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EAGAIN, errno.EACCES):
                raise FileError(
                    f"another process trains in {folder}", "wait until it ends, or give this run another --out"
                ) from error
        yield
    finally:
        with suppress(OSError):
            os.close(handle)
