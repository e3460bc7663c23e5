"""The index of a batch: which reports there are, and what each says in short."""

import hashlib
import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from mapsr_cli.configs import make_config
from mapsr_cli.errors import FileError, MapsrError
from mapsr_cli.reports.document import parse_report, read_document
from mapsr_cli.zoo import strict_json

INDEX, INDEX_PAGE = "reports.json", "reports.html"
FORMAT, MARK = 1, "mapsr_reports"
_MOST_VALUES = 2_000_000
"""Of a document: 200,000 reports."""


@dataclass(frozen=True)
class IndexEntry:
    """One report, in short. Paths are relative to the index, with slashes."""

    report: str
    report_sha256: str
    """Of the report's bytes."""
    result: str
    result_sha256: str
    original: str
    """Name, without a folder."""
    original_sha256: str
    model: str
    kept: bool | None
    """As `Promise.kept`."""


@dataclass(frozen=True)
class NotMade:
    """An input of which nothing was made."""

    original: str
    """Name, without a folder."""
    error: str


@dataclass(frozen=True)
class Index:
    """All reports in a folder and below it."""

    results: tuple[IndexEntry, ...] = ()
    """By the report's path."""
    failed: tuple[NotMade, ...] = ()
    """Of the last batch."""

    def to_json(self) -> bytes:
        """Write it as JSON."""
        return (json.dumps({MARK: FORMAT, **asdict(self)}, indent=2) + "\n").encode()


def read_index(path: Path) -> Index:
    """Read an index, empty where there is none. Raises FileError for another file of that name."""
    if not os.path.lexists(path):
        return Index()
    try:
        values = strict_json.parse(read_document(path), _MOST_VALUES)
        if values.pop(MARK) != FORMAT:
            raise ValueError
        return make_config(Index, values, "index")
    except (MapsrError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FileError(f"{path} is no index of mapsr's, and is left alone", "-o names another folder") from error


def merged(before: Index, folder: Path, reports: Iterable[Path], failed: Sequence[NotMade]) -> Index:
    """Add reports to an index in `folder`; what it held of files that are gone is left out."""
    entries = {entry.report: entry for entry in before.results if (folder / entry.report).is_file()}
    for path in reports:
        entry = _entry(path.absolute(), folder)
        entries[entry.report] = entry
    return Index(tuple(entries[name] for name in sorted(entries)), tuple(failed))


def _entry(path: Path, folder: Path) -> IndexEntry:
    data = read_document(path)
    report = parse_report(data, str(path))
    below = path.relative_to(folder).parent
    return IndexEntry(
        (below / path.name).as_posix(),
        hashlib.sha256(data).hexdigest(),
        (below / report.result.name).as_posix(),
        report.result.sha256,
        report.original.name,
        report.original.sha256,
        report.model.name,
        report.promise.kept,
    )
