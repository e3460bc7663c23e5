"""EXIF as it is stored: each tag with its type and its bytes, so that nothing changes but what must.

Pillow's own writer makes ASCII of any text and guesses types anew. TIFF's directories are the same structure, so what
is read here can be written into either.
"""

import struct
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

import numpy as np

ROOT, EXIF, GPS = 0, 0x8769, 0x8825
"""Directories: the first one, and those that its tags of these numbers point to."""
BYTE, ASCII, SHORT, LONG, RATIONAL, UNDEFINED = 1, 2, 3, 4, 5, 7
_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 6: 1, 7: 1, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of a value of each type."""
_WORDS = {3: 2, 4: 4, 5: 4, 8: 2, 9: 4, 10: 4, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}
"""Bytes of what the byte order turns round."""
_SUBFILE = 0xFE
_MOST_PAGES, _MOST_ENTRIES = 1 << 16, 1 << 12
_MOST = 1 << 26
"""Bytes of all tags together: more is no metadata."""


class Readable(Protocol):
    """A file that may be read from anywhere."""

    def read(self, size: int, /) -> bytes:
        """Read so many bytes, fewer at the end."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a position."""

    def tell(self) -> int:
        """Tell the position."""


@dataclass(frozen=True)
class Entry:
    """One tag's content."""

    kind: int
    """Its type, a key of _SIZES."""
    data: bytes
    """Its values, little-endian."""

    @property
    def count(self) -> int:
        """How many values."""
        return len(self.data) // _SIZES[self.kind]

    @property
    def text(self) -> str:
        """The text of an ASCII entry, which many programs write in UTF-8."""
        return self.data.split(b"\0")[0].decode("utf-8", "replace")

    @property
    def numbers(self) -> tuple[Fraction, ...]:
        """The values of unsigned numbers and ratios; none where that is not what they are."""
        formats = {BYTE: "B", SHORT: "H", LONG: "I", RATIONAL: "I"}
        if self.kind not in formats:
            return ()
        words = struct.unpack(
            f"<{len(self.data) // struct.calcsize(formats[self.kind])}{formats[self.kind]}", self.data
        )
        if self.kind != RATIONAL:
            return tuple(map(Fraction, words))
        pairs = zip(words[::2], words[1::2], strict=True)
        return tuple(Fraction(above, below) if below else Fraction(0) for above, below in pairs)


Directory = dict[int, Entry]
Directories = dict[int, Directory]
"""By ROOT, EXIF and GPS."""


def numbers(kind: int, *values: int) -> Entry:
    """Make an entry of SHORTs or LONGs."""
    return Entry(kind, struct.pack(f"<{len(values)}{'H' if kind == SHORT else 'I'}", *values))


def ratio(value: Fraction) -> Entry:
    """Make an entry of one RATIONAL, the nearest that fits."""
    near = value.limit_denominator(1_000_000)
    return Entry(RATIONAL, struct.pack("<II", min(near.numerator, 0xFFFF_FFFF), near.denominator))


def read_directories(file: Readable, without: Collection[int] = ()) -> Directories:
    """Read the first directory of an EXIF block or a TIFF file, and the EXIF and GPS directories.

    Tags in `without`, of unknown types, or that reach beyond the file are left out. Raises ValueError or struct.error
    for what is no such structure.
    """
    reader = _Reader(file)
    root = reader.directory(reader.first, without)
    directories = {ROOT: root}
    for pointer in (EXIF, GPS):
        if (entry := root.pop(pointer, None)) and entry.numbers:
            directories[pointer] = reader.directory(int(entry.numbers[0]), without)
    return directories


@dataclass(frozen=True)
class Page:
    """What a TIFF's directory says of one page, before any of its values is read."""

    tags: frozenset[int]
    reduced: bool
    """Whether it is another page made small, or a mask: no picture of its own."""
    largest: int
    """Bytes of its largest tag."""


def read_pages(file: Readable) -> list[Page]:
    """Read the directories of all pages of a TIFF. Raises ValueError or struct.error where there are none."""
    reader, seen, pages = _Reader(file), set[int](), list[Page]()
    at = reader.first
    while at and at not in seen and len(pages) < _MOST_PAGES:
        seen.add(at)
        table, at = reader.table(at)
        sizes = {tag: _SIZES.get(kind, 1) * number for tag, kind, number, _ in table}
        kinds = [reader.number(entry) for entry in table if entry[0] == _SUBFILE]
        pages.append(Page(frozenset(sizes), any(kind & (1 | 4) for kind in kinds), max(sizes.values(), default=0)))
    return pages


class _Reader:
    """Reads directories of a file of either byte order, with offsets of 4 or 8 bytes (BigTIFF)."""

    def __init__(self, file: Readable) -> None:
        self.file, self.left = file, _MOST
        start = file.tell()
        head = file.read(16)
        self.start, self.order = start, {b"II": "<", b"MM": ">"}.get(head[:2], "")
        if not self.order:
            raise ValueError("no TIFF structure")
        (version,) = struct.unpack_from(f"{self.order}H", head, 2)
        self.big = version == 43
        self.first = int(struct.unpack_from(f"{self.order}{'Q' if self.big else 'I'}", head, 8 if self.big else 4)[0])

    def table(self, at: int) -> tuple[list[tuple[int, int, int, bytes]], int]:
        """Read (tag, type, count, value or offset) of each entry, and where the next page's directory starts."""
        count_format, entry, link = ("Q", "HHQ8s", "Q") if self.big else ("H", "HHI4s", "I")
        at_entries = at + struct.calcsize(f"={count_format}")
        (count,) = struct.unpack(self.order + count_format, self._read(at, at_entries - at))
        size = struct.calcsize(f"={entry}")
        entries = self._read(at_entries, size * min(count, _MOST_ENTRIES))
        after = self._read(at_entries + size * count, struct.calcsize(f"={link}"))
        (following,) = struct.unpack(self.order + link, after) if len(after) == struct.calcsize(f"={link}") else (0,)
        return list(struct.iter_unpack(self.order + entry, entries[: len(entries) // size * size])), following

    def number(self, entry: tuple[int, int, int, bytes]) -> int:
        """Return the value of an entry that is one SHORT or LONG."""
        _, kind, _, inline = entry
        return int(struct.unpack_from(self.order + ("H" if kind == SHORT else "I"), inline)[0])

    def directory(self, at: int, without: Collection[int]) -> Directory:
        directory: Directory = {}
        for tag, kind, number, inline in self.table(at)[0]:
            if kind in _SIZES and tag not in without:
                data = self._data(_SIZES[kind] * number, inline)
                directory |= {} if data is None else {tag: Entry(kind, self._turned(data, kind))}
        return directory

    def _data(self, size: int, inline: bytes) -> bytes | None:
        if size <= len(inline):
            return inline[:size]
        if size > self.left:
            return None
        (at,) = struct.unpack(f"{self.order}{'Q' if self.big else 'I'}", inline)
        data = self._read(at, size)
        self.left -= size
        return data if len(data) == size else None

    def _turned(self, data: bytes, kind: int) -> bytes:
        """Return values in little-endian order."""
        if self.order == "<" or kind not in _WORDS:
            return data
        width = _WORDS[kind]
        return np.frombuffer(data, f">u{width}").astype(f"<u{width}").tobytes()

    def _read(self, at: int, size: int) -> bytes:
        self.file.seek(self.start + at)
        return self.file.read(size)


def directory_bytes(directories: Mapping[int, Directory], at: int) -> bytes:
    """Lay out the first directory as it stands at the offset `at`, and behind it those that it points to."""
    root = dict(directories[ROOT])
    below = [pointer for pointer in (EXIF, GPS) if directories.get(pointer)]
    root |= {pointer: numbers(LONG, 0) for pointer in below}
    start, blocks = at + len(_laid_out(root, at)), b""
    for pointer in below:
        root[pointer] = numbers(LONG, start + len(blocks))
        blocks += _laid_out(directories[pointer], start + len(blocks))
    return _laid_out(root, at) + blocks


def exif_bytes(directories: Mapping[int, Directory]) -> bytes:
    """Return an EXIF block as JPEG has it, or nothing where there are no tags."""
    if not any(directories.values()):
        return b""
    return b"Exif\0\0" + struct.pack("<2sHL", b"II", 42, 8) + directory_bytes({ROOT: {}, **directories}, 8)


def _laid_out(directory: Directory, at: int) -> bytes:
    """Return one directory, and behind it the values that do not fit into it."""
    table, values = bytearray(struct.pack("<H", len(directory))), bytearray()
    behind = at + 2 + 12 * len(directory) + 4
    for tag, entry in sorted(directory.items()):
        inline = entry.data.ljust(4, b"\0")
        if len(entry.data) > 4:
            inline = struct.pack("<I", behind + len(values))
            values += entry.data + bytes(len(entry.data) % 2)
        table += struct.pack("<HHI4s", tag, entry.kind, entry.count, inline)
    return bytes(table + bytes(4) + values)
