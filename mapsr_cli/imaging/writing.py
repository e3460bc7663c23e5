"""Write a file, all of it or nothing."""

import errno
import os
import secrets
from pathlib import Path
from typing import BinaryIO

from torch import Tensor

from mapsr_cli.errors import DiskFullError, ImageError
from mapsr_cli.imaging.encoding import encode
from mapsr_cli.imaging.formats import output_format
from mapsr_cli.imaging.picture import Picture
from mapsr_cli.imaging.provenance import Provenance


def check_target(path: Path, overwrite: bool) -> None:
    """Raise ImageError if `path` may not be written: it exists and is not to be replaced, or is no plain file."""
    try:
        path.lstat()
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ImageError(f"cannot write {path}: {reason}") from error
    if os.path.exists(path) and not os.path.isfile(path):  # noqa: PTH110, PTH113 (False, not an error, if locked)
        raise ImageError(f"{path} is not a plain file: it is left alone", "choose another name")
    if not overwrite:
        raise ImageError(f"{path} exists", "--overwrite replaces it")


def make_folder(folder: Path) -> None:
    """Make a folder, and those it lies in, if need be. Raises ImageError where nothing can be written into it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ImageError(f"cannot make the folder {folder}: {reason}") from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImageError(f"cannot write into {folder}: it is read-only", "-o names another folder")


def write_bytes(path: Path, data: bytes, overwrite: bool = True) -> None:
    """Write beside `path` and give the whole file its name at the end: never a half-written one, whatever happens.

    A symbolic link of that name is replaced, not followed. Raises FileExistsError if not `overwrite` and the name has
    been taken meanwhile, DiskFullError or another ImageError where nothing can be written.
    """
    try:
        if not _write_nameless(path, data, overwrite):
            _write_hidden(path, data, overwrite)
    except FileExistsError:
        raise
    except OSError as error:
        raise write_error(str(path), error) from error


def identity(path: Path) -> tuple[int, int] | None:
    """The same for all names of a file, links included; None for what is not there, or behind a locked door."""
    try:
        found = path.stat()
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def write_error(where: str, error: OSError) -> ImageError:
    """What to say of a write that failed: DiskFullError where there was no room."""
    message = f"cannot write {where}: {error.strerror or error}"
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return DiskFullError(message, "free some space; then --skip-existing goes on from here")
    return ImageError(message)


def _write_nameless(path: Path, data: bytes, overwrite: bool) -> bool:
    """Through a file without a name (Linux), of which even `kill -9` leaves no trace. False where that cannot be."""
    try:
        handle = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666)
    except (AttributeError, OSError):  # where writing cannot be at all, the other way says why
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


def _write_hidden(path: Path, data: bytes, overwrite: bool) -> None:
    """Through a file with a name that no folder listing shows."""
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
    """Give the file its name unless it is taken. False where the file system has no links."""
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


def _fill(file: BinaryIO, data: bytes) -> None:
    file.write(data)
    file.flush()
    os.fsync(file.fileno())  # a name must not survive a power cut that the content does not


def write_picture(
    path: Path,
    picture: Tensor | Picture,
    *,
    quality: int | None = None,
    provenance: Provenance | None = None,
) -> None:
    """Encode a picture (or its levels, [C, H, W] of 8 bits) by the path's suffix and write atomically."""
    if isinstance(picture, Tensor):
        picture = Picture(picture.byte())
    write_bytes(path, encode(picture, output_format(path.name), quality, provenance))
