"""What comes of several files, one after the other: one that fails does not end the rest."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import typer

from mapsr_cli.cli.report import complain, document, say
from mapsr_cli.errors import as_failure


@dataclass
class Outcomes:
    """Collects what the JSON document says of `count` inputs. With `strict`, a failure is raised."""

    count: int
    strict: bool
    results: list[dict[str, Any]] = field(default_factory=list)
    failed: list[dict[str, str]] = field(default_factory=list)

    @contextmanager
    def of(self, source: Path) -> Iterator[None]:
        """Keep what goes wrong with one input as its failure, and print it."""
        try:
            yield
        except Exception as error:
            if self.strict:
                raise
            complain(as_failure(error))
            self.failed.append({"input": str(source), "error": str(as_failure(error))})

    def document(self) -> None:
        """Print the JSON document."""
        document({"results": self.results, "failed": self.failed})

    def close(self) -> None:
        """Say which inputs failed. Raises typer.Exit(1) if any did."""
        if self.failed:
            say(f"{len(self.failed)} of {self.count} files failed: {', '.join(f['input'] for f in self.failed)}")
            raise typer.Exit(1)
