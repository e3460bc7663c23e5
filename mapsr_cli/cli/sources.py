"""Which files a command reads: what its inputs name, without the outputs of earlier runs."""

import glob
import hashlib
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mapsr_cli.errors import FileError, ImageError, UsageError
from mapsr_cli.imaging import read_provenance
from mapsr_cli.imaging.formats import SUFFIXES

PIPE = Path("-")
LISTS = (".txt", ".lst")
SHEET, MAP = "_samples", "_spread"
"""Endings of a contact sheet's and a map's name."""


@dataclass(frozen=True)
class Source:
    """An input file, and the folder whose structure its output keeps."""

    path: Path
    root: Path | None = None


@dataclass
class Sources:
    """What inputs name."""

    files: list[Source] = field(default_factory=list)
    outputs: list[Path] = field(default_factory=list)
    """Left out: in folders and patterns, what an earlier run wrote."""
    unreadable: dict[Path, FileError] = field(default_factory=dict)
    """Folders that may not be read, and why."""


def find_sources(inputs: list[Path], recursive: bool, suffix: str | None) -> Sources:
    """Find the files that inputs name: files, folders, glob patterns that the shell left alone, lists (.txt, .lst).

    A list names one input per line, relative to itself; `#` starts a remark. A file named twice counts once, as it was
    named first. Earlier outputs, whose names end in `suffix`, are left out unless it is None. Raises UsageError where a
    folder or a pattern gives no image, ImageError for an unreadable list.
    """
    sources = Sources()
    known: set[Path] = set()
    for given in inputs:
        for source, chosen in _expanded(given, recursive, sources.unreadable):
            if source.path in known:
                continue
            known.add(source.path)
            if chosen or suffix is None or not is_output(source.path, suffix):
                sources.files.append(source)
            else:
                sources.outputs.append(source.path)
    return sources


def is_output(path: Path, suffix: str) -> bool:
    """Tell whether mapsr wrote a picture, by its provenance.

    BMP, contact sheets and maps carry none: of those it is the name, beside the picture that it was made of.
    """
    if read_provenance(path) is not None:
        return True
    name = re.fullmatch(rf"(.+){re.escape(suffix)}(_\d+|{SHEET}|{MAP})?", path.stem)
    if name is None or not suffix or (path.suffix.lower() != ".bmp" and name[2] not in (SHEET, MAP)):
        return False
    return any(other.suffix.lower() in SUFFIXES for other in path.parent.glob(f"{glob.escape(name[1])}.*"))


def was_made_of(output: Path, source: Path) -> bool:
    """Tell whether a picture says that it was made of this very file."""
    provenance = read_provenance(output)
    if provenance is None or not _is_file(source):
        return False
    try:
        with source.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == provenance.input_sha256
    except OSError:  # reading it will say what is wrong
        return False


def is_folder(path: Path) -> bool:
    """Tell whether a path is a folder."""
    return os.path.isdir(path)  # noqa: PTH112 (False, not an error, for names that cannot be or may not be looked up)


def _expanded(given: Path, recursive: bool, unreadable: dict[Path, FileError]) -> Iterator[tuple[Source, bool]]:
    """Yield the files behind an input, and whether each was named itself."""
    text = str(given)
    if given == PIPE or os.path.lexists(given):
        listed = given.suffix.lower() in LISTS and _is_file(given)
        for named in _listed(given) if listed else [given]:
            if is_folder(named):
                yield from ((source, False) for source in _in_folder(named, recursive, unreadable))
            else:
                yield Source(named), True
    elif glob.has_magic(text):
        matches = map(Path, sorted(glob.glob(text, recursive=True)))  # noqa: PTH207 (Path.glob wants relative patterns)
        files = [Source(path) for path in matches if not is_folder(path)]
        if not files:
            raise UsageError(f"no file matches {text}")
        yield from ((source, False) for source in files)
    else:
        yield Source(given), True  # reading it will say what is wrong


def _listed(listing: Path) -> Iterator[Path]:
    try:
        lines = [line.strip() for line in listing.read_text("utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise ImageError(f"{listing}: not a readable list ({error})", "one path per line, in UTF-8") from error
    for line in lines:
        if line and not line.startswith("#"):
            yield listing.parent / line


def _is_file(path: Path) -> bool:
    return os.path.isfile(path)  # noqa: PTH113 (False, not an error, as above)


def _in_folder(folder: Path, recursive: bool, unreadable: dict[Path, FileError]) -> list[Source]:
    """List the images in a folder. Folders that may not be read go into `unreadable`."""
    before = len(unreadable)

    def note(error: OSError) -> None:
        closed = Path(error.filename)
        unreadable[closed] = FileError(f"cannot read the folder {closed}: {error.strerror}")

    files: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=note):
        files += (Path(parent) / name for name in names)
        if not recursive:
            folders.clear()
    images = [p for p in sorted(files) if p.suffix.lower() in SUFFIXES and not p.name.startswith(".") and _is_plain(p)]
    if not images and len(unreadable) == before:
        raise UsageError(f"{folder}: no images there", "--recursive looks in its folders too")
    return [Source(path, folder) for path in images]


def _is_plain(path: Path) -> bool:
    """Tell whether it is a file: no folder, pipe or device. A link to nowhere counts, so that it is reported."""
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except OSError:
        return True
