"""Write files whole or not at all, the one place that renames or replaces any; tell whether two names are one file."""

import errno
import os
import secrets
import shutil
from pathlib import Path
from typing import BinaryIO

from mapsr_cli.errors import DiskFullError, FileError


def check_target(path: Path, overwrite: bool) -> None:
    """Raise FileError if `path` may not be written: it exists and is not to be replaced, or is no plain file."""
    try:
        path.lstat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise FileError(f"cannot write {path}: {_reason(error)}") from error
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 (False, not an error, if unreadable)
        raise FileError(f"{path} is not a plain file: it is left alone", "choose another name")
    if not overwrite:
        raise FileError(f"{path} exists", "--overwrite replaces it")


def make_folder(folder: Path) -> None:
    """Make a folder and its parents where they are missing. Raises FileError where nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        raise FileError(f"cannot make the folder {folder}: {_reason(error)}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise FileError(f"cannot write into {folder}: it is read-only", "-o names another folder")


def write_bytes(path: Path, data: bytes | bytearray, overwrite: bool = True) -> None:
    """Write a temporary file beside `path`, sync it, and then give it its name: nobody sees a half-written file.

    A symbolic link of that name is replaced, not followed. Raises FileExistsError if not `overwrite` and another
    process took the name in the meantime, DiskFullError where the disk is full, FileError where writing fails
    otherwise; nothing of the temporary file is left behind then.
    """
    try:
        if not _write_nameless(path, data, overwrite):
            _write_hidden(path, data, overwrite)
    except FileExistsError:
        raise
    except (OSError, ValueError) as error:
        raise write_error(str(path), error) from error


def make_link(path: Path, target: Path) -> None:
    """Make `path` a symbolic link to `target`, relative to its folder; a copy of it where there are no links.

    What has that name is replaced. Raises FileError where nothing can be written.
    """
    if path.is_symlink() and path.readlink() == target:
        return
    try:
        path.unlink(missing_ok=True)
        path.symlink_to(target)
    except FileExistsError:  # another process was faster
        return
    except (OSError, NotImplementedError):
        write_bytes(path, (path.parent / target).read_bytes())


def keep_copy(path: Path, copy: Path) -> None:
    """Give a file a second name, or make a copy where the file system has no links; what had that name is replaced.

    Raises FileError where that fails, DiskFullError where a copy has no room.
    """
    hidden = _hidden(copy)
    try:
        try:
            os.link(path, hidden)
        except OSError:
            shutil.copyfile(path, hidden)
        _replace(hidden, copy)
    except (OSError, ValueError) as error:
        hidden.unlink(missing_ok=True)
        raise write_error(str(copy), error) from error


def identity(path: Path) -> tuple[int, int] | None:
    """Return what is equal for all names of one file, links included; None if it is missing or may not be read."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def write_error(where: str, error: OSError | ValueError) -> FileError:
    """Describe a failed write: a DiskFullError where there was no room, else a FileError."""
    message = f"cannot write {where}: {_reason(error)}"
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(message)
    return FileError(message)


def _reason(error: OSError | ValueError) -> object:
    return (isinstance(error, OSError) and error.strerror) or error


def _write_nameless(path: Path, data: bytes | bytearray, overwrite: bool) -> bool:
    """Write through a file without a name (Linux), of which even `kill -9` leaves no trace.

    Returns False where the system has no such files.
    """
    try:
        handle = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except (AttributeError, OSError):  # where nothing can be written at all, `_write_hidden` says why
        return False
    with os.fdopen(handle, "wb") as file:
        _fill(file, data)
        nameless = f"/proc/self/fd/{handle}"
        try:
            os.link(nameless, path, src_dir_fd=handle, follow_symlinks=True)
        except FileExistsError:
            if not overwrite:
                raise
            hidden = _hidden(path)
            os.link(nameless, hidden, src_dir_fd=handle, follow_symlinks=True)
            _replace(hidden, path)
        except OSError:
            return False
    return True


def _write_hidden(path: Path, data: bytes | bytearray, overwrite: bool) -> None:
    """Write through a file with a name that folder listings do not show."""
    hidden = _hidden(path)
    try:
        with os.fdopen(os.open(hidden, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666), "wb") as file:
            _fill(file, data)
        if overwrite or not _link(hidden, path):
            _replace(hidden, path)
    finally:
        hidden.unlink(missing_ok=True)


def _replace(hidden: Path, path: Path) -> None:
    try:
        hidden.replace(path)
    except BaseException:
        hidden.unlink(missing_ok=True)
        raise


def _link(hidden: Path, path: Path) -> bool:
    """Give the file its name unless that is taken. Returns False where the file system has no links."""
    try:
        os.link(hidden, path)
    except FileExistsError:
        raise
    except OSError:
        if os.path.lexists(path):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path)) from None
        return False
    return True


def _hidden(path: Path) -> Path:
    return path.with_name(f".mapsr-{secrets.token_hex(8)}.partial")


def _fill(file: BinaryIO, data: bytes | bytearray) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())  # a name must not survive a power cut that the content does not
