"""From what `--data` says to a stream of batches."""

from collections.abc import Callable
from pathlib import Path

from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.operators import Kernel
from mapsr_cli.training.data.config import DataConfig, RankShare
from mapsr_cli.training.data.decoding import looks_like_image
from mapsr_cli.training.data.degradation import DegradedSource
from mapsr_cli.training.data.images import folder_images, listed_images
from mapsr_cli.training.data.shards import shards
from mapsr_cli.training.data.stream import Data, PatchSource
from mapsr_cli.training.data.swissroll import SwissRoll

SOURCES: dict[str, Callable[[str, DataConfig, RankShare], PatchSource]] = {
    "folder": folder_images,
    "list": listed_images,
    "shards": shards,
    "swissroll": lambda _, config, share: SwissRoll(config, share),
}
"""What opens each kind of location."""

KINDS = "a folder of images, a list of them (.txt, .lst), tar shards ('shard-{000..009}.tar') or swissroll:"


def kind_of(location: str) -> str:
    """Return a key of SOURCES. Raises ImageError where nothing is there, UsageError for a file of another kind."""
    suffixes = {".txt": "list", ".lst": "list", ".tar": "shards", ".tgz": "shards", ".gz": "shards"}
    kind = suffixes.get(Path(location).suffix.lower())
    if location == "swissroll:":
        return "swissroll"
    if Path(location).is_dir():
        return "folder"
    if kind == "shards" or (kind == "list" and Path(location).is_file()):
        return kind
    if looks_like_image(location) and Path(location).is_file():
        raise UsageError(f"{location} is one picture", f"--data takes {KINDS}")
    if not Path(location).exists():
        raise ImageError(f"{location}: no such file or folder", f"--data takes {KINDS}")
    raise UsageError(f"{location}: not a kind of training data", f"--data takes {KINDS}")


def open_data(
    location: str | Path,
    config: DataConfig,
    rank: int = 0,
    world: int = 1,
    kernel: Kernel | None = None,
    evidence: bool = False,
) -> Data:
    """Open batches for process `rank` of `world` from a folder, a list, tar shards, or `swissroll:`.

    Batches have degraded LR images where `config` asks for them and `kernel`, A's, is given; with `evidence`, also what
    their files say of A y.
    Raises ImageError where nothing is there or no image is large enough (half a patch), UsageError where the batch
    cannot be shared by `world` processes, or the location is of no known kind.
    """
    kind, share = kind_of(str(location)), RankShare(config.batch, rank, world)
    source = SOURCES[kind](str(location), config, share)
    if config.degrades and kernel is not None:
        if kind == "swissroll":
            raise UsageError("points cannot be degraded", "leave out data.jpeg, data.noise and data.blur")
        source = DegradedSource(source, config, share, kernel, evidence)
    return Data(source, config.workers)
