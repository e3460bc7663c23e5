"""A run's metrics as CSV, for TensorBoard, and for Weights & Biases."""

import csv
import hashlib
import io
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from mapsr_cli.errors import UsageError, did_you_mean, install_command
from mapsr_cli.files import write_bytes, write_error


class Journal(Protocol):
    """Records scalars by step."""

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Note `values` at `step`."""

    def show(self, step: int, picture: Path) -> None:
        """Note a PNG of samples at `step`."""

    def close(self) -> None:
        """Flush."""


class CsvJournal:
    """`metrics.csv`: step, name, value, one row each, so that methods may report what they like."""

    FIELDS = ("step", "name", "value")

    def __init__(self, folder: Path, step: int) -> None:
        """Continue after `step`: later rows, of a run that was killed after its last checkpoint, are dropped."""
        self.path = folder / "metrics.csv"
        kept = [row for row in read_metrics(folder) if row[0] <= step]
        text = io.StringIO(newline="")
        csv.writer(text).writerows([self.FIELDS, *kept])
        write_bytes(self.path, text.getvalue().encode())
        self._file = self.path.open("a", newline="", encoding="utf-8")
        self._writer = csv.writer(self._file)

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write one row per value."""
        try:
            self._writer.writerows((step, name, f"{value:.8g}") for name, value in values.items())
            self._file.flush()
        except OSError as error:
            raise write_error(str(self.path), error) from error

    def show(self, step: int, picture: Path) -> None:
        """Do nothing: the picture is a file already."""

    def close(self) -> None:
        """Close the file."""
        with suppress(OSError):  # what `write` said already
            self._file.close()


def read_metrics(folder: Path) -> list[tuple[int, str, str]]:
    """Read the rows of a run's `metrics.csv` (none if there is no such file), except damaged ones."""
    path = folder / "metrics.csv"
    if not path.exists():
        return []
    rows: list[list[str]] = []
    with path.open(newline="", encoding="utf-8", errors="replace") as file, suppress(csv.Error):
        rows.extend(csv.reader(file))
    return [(int(row[0]), row[1], row[2]) for row in rows[1:] if len(row) == 3 and row[0].isdecimal()]


class TensorBoardJournal:
    """Event files in `tensorboard/`."""

    def __init__(self, folder: Path, step: int) -> None:
        """Continue after `step`."""
        from torch.utils.tensorboard import SummaryWriter

        self._folder, self._hook, self._failed = folder / "tensorboard", threading.excepthook, False
        with self._failures():
            self._writer = SummaryWriter(str(self._folder), purge_step=step + 1)
        threading.excepthook = self._quiet

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Write one point per value. Raises FileError where writing fails, DiskFullError where there is no room."""
        with self._failures():
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)

    def show(self, step: int, picture: Path) -> None:
        """Write the picture. Raises as `write`."""
        with self._failures():
            self._writer.add_image("samples", _pixels(picture), step, dataformats="HWC")

    def close(self) -> None:
        """Flush the event file. Raises as `write`, unless that has."""
        threading.excepthook = self._hook
        with suppress(OSError) if self._failed else self._failures():
            self._writer.close()

    @contextmanager
    def _failures(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            self._failed = True
            raise write_error(str(self._folder), error) from error

    def _quiet(self, failure: threading.ExceptHookArgs) -> None:
        """Print no traceback where the writer's thread fails: what is written next raises the same error."""
        if not (isinstance(failure.exc_value, OSError) and type(failure.thread).__module__.startswith("tensorboard")):
            self._hook(failure)


def _pixels(picture: Path) -> NDArray[np.uint8]:
    """Read a PNG as RGB levels [H, W, 3]."""
    with Image.open(picture) as image:
        return np.asarray(image.convert("RGB"))


class WandbJournal:
    """A run of Weights & Biases, in the project `mapsr`, through accelerate's tracker."""

    def __init__(self, folder: Path, step: int) -> None:
        """Begin the run, or go on with it: its name and identity are the folder's."""
        from accelerate.tracking import WandBTracker

        place = folder.resolve()
        identity = f"{place.name}-{hashlib.sha256(str(place).encode()).hexdigest()[:8]}"
        self._tracker = WandBTracker("mapsr", dir=str(folder), name=folder.name, id=identity, resume="allow")
        self._tracker.start()

    def write(self, step: int, values: Mapping[str, float]) -> None:
        """Log the values."""
        self._tracker.log(dict(values), step=step)

    def show(self, step: int, picture: Path) -> None:
        """Log the picture."""
        self._tracker.log_images({"samples": [_pixels(picture)]}, step=step)

    def close(self) -> None:
        """Finish the run."""
        self._tracker.finish()


JournalKind = type[CsvJournal] | type[TensorBoardJournal] | type[WandbJournal]
JOURNALS: dict[str, JournalKind] = {
    "csv": CsvJournal,
    "tensorboard": TensorBoardJournal,
    "wandb": WandbJournal,
}


def journal_kinds(names: str) -> list[JournalKind]:
    """Return the kinds in a comma-separated list. Raises UsageError for one that is unknown or cannot be had here."""
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    if odd := [name for name in wanted if name not in JOURNALS]:
        raise UsageError(f"unknown log '{odd[0]}'", did_you_mean(odd[0], JOURNALS))
    if "tensorboard" in wanted and find_spec("tensorboard") is None:
        raise UsageError(
            "--log tensorboard needs tensorboard, which is not installed", f"{install_command('train')}, or --log csv"
        )
    if "wandb" in wanted and find_spec("wandb") is None:
        raise UsageError("--log wandb needs wandb, which is not installed", "pip install wandb, or --log csv")
    return [JOURNALS[name] for name in wanted]
