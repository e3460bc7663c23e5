"""Files as decoders are to see them: read where they lie, in no more memory than their picture needs."""

import hashlib
import io
import os
import re
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import IO, Any, BinaryIO

from mapsr_cli.errors import ImageError
from mapsr_cli.imaging.exif import read_pages

FileSource = str | Path | bytes | BinaryIO
"""A path, a file's bytes, or a stream that is read to its end."""
METADATA = 1 << 26
"""Bytes that a file may have beside its pixels."""
_PER_PIXEL = 9
"""Bytes that a pixel may take in a file: four samples of 16 bits, and what a codec adds where it cannot compress."""
_CHUNK = 1 << 20
LIBTIFF = re.compile(rb"^(tempfile\.tif|_?TIFF\w*|[A-Z]\w*(Decode|Setup|Encode)\w*|LZW\w*|Fax\w*|OJPEG\w*)[:,] ")
"""How the lines begin that libtiff writes to standard error."""


class FileView(io.RawIOBase):
    """A file with a position of its own: several decoders may read one at once."""

    def __init__(self, file: IO[bytes], end: int) -> None:
        self._file, self._end, self._at = file, end, 0

    def readable(self) -> bool:
        """Say that it may be read."""
        return True

    def seekable(self) -> bool:
        """Say that it may be read from anywhere."""
        return True

    def fileno(self) -> int:
        """Return the file's descriptor, from which libtiff reads. Raises OSError where there is none."""
        return self._file.fileno()

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a position."""
        self._at = max(offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._end}[whence], 0)
        return self._at

    def tell(self) -> int:
        """Tell the position."""
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer as far as the file reaches."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def read(self, size: int | None = -1) -> bytes:
        """Read so many bytes, or all, up to the end."""
        left = max(self._end - self._at, 0)
        left = left if size is None or size < 0 else min(size, left)
        self._file.seek(self._at)
        parts = []
        while left and (part := self._file.read(left)):
            parts.append(part)
            left -= len(part)
            self._at += len(part)
        return parts[0] if len(parts) == 1 else b"".join(parts)


class OpenedFile:
    """A file that is open for decoding."""

    def __init__(self, name: str, file: IO[bytes], digest: str = "") -> None:
        self.name, self._file, self._digest = name, file, digest
        self._size = file.seek(0, io.SEEK_END)
        self.head = self.view().read(64)
        self._end = self._content_end()

    def view(self) -> FileView:
        """Return the file from its beginning, without what may follow the picture."""
        return FileView(self._file, getattr(self, "_end", self._size))

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of all bytes, read in pieces."""
        if self._digest:
            return self._digest
        digest = hashlib.sha256()
        view = FileView(self._file, self._size)
        while part := view.read(_CHUNK):
            digest.update(part)
        return digest.hexdigest()

    def check(self, max_pixels: int) -> None:
        """Raise ImageError where a decoder would take more memory than a picture of so many pixels needs."""
        most = METADATA + _PER_PIXEL * max_pixels
        if self.head[4:8] == b"ftyp" or self.head[:4] == b"RIFF":  # which are decoded from one block of memory
            self._refuse(self._end, most, "")
        elif self.head[:8] == b"\x89PNG\r\n\x1a\n":
            for kind, length in self._png_chunks():
                self._refuse(length, METADATA, f"a chunk {kind.decode('latin-1')!r} of ")
        elif self.head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            for page in read_pages(self.view()):
                self._refuse(page.largest, METADATA, "a tag of ")

    def _refuse(self, size: int, most: int, what: str) -> None:
        if size > most:
            raise ImageError(f"{what}{size:,} bytes, which is more than a picture of its kind needs")

    def _content_end(self) -> int:
        """Find where the picture ends, in formats whose decoders read to the end of a file."""
        if self.head[:4] == b"RIFF":
            return min(8 + int.from_bytes(self.head[4:8], "little"), self._size)
        if self.head[:4] == b"GIF8":
            return self._blocks_end()
        return self._boxes_end() if self.head[4:8] == b"ftyp" else self._size

    def _boxes_end(self) -> int:
        """Follow the boxes of an ISO base media file (AVIF, HEIC)."""
        view, at = self.view(), 0
        while at < self._size:
            view.seek(at)
            head = view.read(16)
            if len(head) < 8 or not re.fullmatch(rb"[ -~]{4}", head[4:8]):
                return at
            size = int.from_bytes(head[:4])
            size = int.from_bytes(head[8:16]) if size == 1 else size
            if size < 8:
                return self._size if size == 0 else at
            at += size
        return self._size

    def _blocks_end(self) -> int:
        """Follow the blocks of a GIF: beyond them, Pillow would look for another byte by byte."""
        file = io.BufferedReader(FileView(self._file, self._size), 1 << 16)
        file.seek(10)
        flags = file.read(3)[:1]
        while flags:
            if flags[0] & 0x80:  # a table of colours
                file.seek(3 << ((flags[0] & 7) + 1), io.SEEK_CUR)
            kind = file.read(1)
            if kind == b"!":
                file.seek(1, io.SEEK_CUR)
                flags = b"\0"
            elif kind == b",":
                flags = file.read(9)[8:]
                if flags and flags[0] & 0x80:
                    file.seek(3 << ((flags[0] & 7) + 1), io.SEEK_CUR)
                file.seek(1, io.SEEK_CUR)
                flags = flags and b"\0"
            else:
                return file.tell()
            while (length := file.read(1)) and length != b"\0":
                file.seek(length[0], io.SEEK_CUR)
        return min(file.tell(), self._size)

    def _png_chunks(self) -> Iterator[tuple[bytes, int]]:
        """Yield kind and length of each chunk but those of pixels, which are read in pieces."""
        view, at = self.view(), 8
        while at < self._size:
            view.seek(at)
            head = view.read(8)
            if not head[4:].isalpha() or head[4:] == b"IEND":
                return
            if head[4:] not in (b"IDAT", b"fdAT"):
                yield head[4:], int.from_bytes(head[:4])
            at += 12 + int.from_bytes(head[:4])


@contextmanager
def opened(source: FileSource, max_pixels: int) -> Iterator[OpenedFile]:
    """Open a file for decoding. Raises ImageError, with its name, where that cannot be."""
    if isinstance(source, bytes):
        yield OpenedFile("standard input", io.BytesIO(source))
        return
    if not isinstance(source, str | Path):
        with _spooled(source, "standard input", max_pixels) as whole:
            yield whole
        return
    source = Path(source)
    try:
        kind = source.stat().st_mode
        if stat.S_ISCHR(kind) or stat.S_ISBLK(kind):
            raise ImageError(f"{source}: a device, not a picture")
        file = source.open("rb", buffering=0)
    except OSError as error:
        raise ImageError(f"{source}: {error.strerror or error}") from error
    except ValueError as error:  # a name with a null byte in it
        raise ImageError(f"{source!r}: {error}") from error
    with file:
        if stat.S_ISREG(kind):
            yield OpenedFile(str(source), file)
        else:
            with _spooled(file, str(source), max_pixels) as whole:
                yield whole


@contextmanager
def _spooled(stream: IO[bytes], name: str, max_pixels: int) -> Iterator[OpenedFile]:
    """Read a stream to its end, on disk what is much; more than a picture of so many pixels may take is refused."""
    most, digest = METADATA + _PER_PIXEL * max_pixels, hashlib.sha256()
    with SpooledTemporaryFile(METADATA) as file:
        while part := stream.read(_CHUNK):
            digest.update(part)
            file.write(part)
            if file.tell() > most:
                raise ImageError(f"{name}: more than {most:,} bytes", "save it to a file first, or cut it")
        yield OpenedFile(name, file, digest.hexdigest())


@contextmanager
def without_lines(pattern: re.Pattern[bytes]) -> Iterator[list[bytes]]:
    """Keep from standard error what a library says there by itself; everything else that is written meanwhile follows.

    Afterwards the list holds the lines that begin as `pattern` does.
    """
    said: list[bytes] = []
    try:
        stderr = os.dup(2)
    except OSError:  # standard error is closed
        yield said
        return
    with TemporaryFile() as heard:
        os.dup2(heard.fileno(), 2)
        try:
            yield said
        finally:
            os.dup2(stderr, 2)
            heard.seek(0)
            lines = heard.read().splitlines(keepends=True)
            said += [line for line in lines if pattern.match(line)]
            with suppress(OSError):
                os.write(stderr, b"".join(line for line in lines if not pattern.match(line)))
            os.close(stderr)


ONE_AT_A_TIME = threading.Lock()
"""Pillow's limits, Python's warnings and standard error are global: whoever changes them for a while does so alone."""
