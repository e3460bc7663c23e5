"""Are the models on this machine what they should be?"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mapsr_cli.errors import CheckpointError, as_failure
from mapsr_cli.zoo.cache import cached_models, is_sound
from mapsr_cli.zoo.checkpoint import load_model
from mapsr_cli.zoo.finding import find_here
from mapsr_cli.zoo.manifest import read_manifest, sha256_of, weights_folder


@dataclass(frozen=True)
class ModelCheck:
    """What came of one model."""

    name: str
    """What `--model` takes."""
    holds: bool
    """Whether its hash is right and it loads."""
    error: str | None
    """What is wrong."""


def check(names: list[str]) -> Iterator[ModelCheck]:
    """Check models by name; all that are here if there are no names. Nothing is removed."""
    stored = dict(_stored())
    for name in names or stored:
        try:
            path, sha256 = stored[name] if name in stored else (find_here(name), None)
            _check(path, sha256)
        except Exception as error:  # one model's failure, whatever it is
            yield ModelCheck(name, False, str(as_failure(error)))
        else:
            yield ModelCheck(name, True, None)


def _stored() -> Iterator[tuple[str, tuple[Path, str | None]]]:
    """Name → file and the manifest's SHA-256, of every model that is here, readable or not."""
    for name, listed in read_manifest(weights_folder()).items():
        if listed.file is not None:
            yield name, (weights_folder() / listed.file, listed.sha256)
    for cached in cached_models():
        yield str(cached.name), (cached.path, None)


def _check(path: Path, sha256: str | None) -> None:
    if sha256 not in (None, sha256_of(path)):
        raise CheckpointError(f"{path} has another SHA-256 than the manifest says")
    if not is_sound(path):
        raise CheckpointError(f"{path} has another hash than the Hub gave it")
    load_model(path)
