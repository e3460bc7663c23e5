"""From what a user calls a model to its file: bundled, then a file or folder, then the cache, then the Hub."""

import os
from pathlib import Path

from mapsr_cli.errors import CheckpointError, suggest
from mapsr_cli.zoo.cache import MODEL_FILE, cached_models, discard, find_cached, is_sound, says_mapsr
from mapsr_cli.zoo.container import check_kind, opened
from mapsr_cli.zoo.hub import fetch
from mapsr_cli.zoo.manifest import SUFFIX, model_files, read_manifest, sha256_of, weights_folder
from mapsr_cli.zoo.names import RepoName, parse_repo_name
from mapsr_cli.zoo.transfer import ByteProgress, silent

DEFAULT_MODEL = "natural-x4-affmse"
RESTORER = "natural-x4-affmse-jpeg"
"""Model for JPEGs and noisy originals, where none is named."""
PICKLED = (".pt", ".pth", ".bin", ".ckpt", ".pkl", ".pickle")


def bundled_models() -> list[str]:
    """List the names of the models that come with the package."""
    return sorted(name for name, listed in read_manifest(weights_folder()).items() if listed.file is not None)


def find_model(name: str, progress: ByteProgress = silent) -> Path:
    """Find the checkpoint of a bundled name, a `.safetensors` file, a folder with one, or `org/repo[@revision]`.

    In this order; a repository is looked for in the Hub's cache first and fetched only if it is not there, and then
    `progress` is called with (bytes done, bytes in all). Raises CheckpointError or HubError if there is none, and for
    pickled weights.
    """
    if path := local_file(name):
        return path
    repository, sha256 = _repository(name)
    return _cached_file(repository, sha256) or fetch(repository, progress, sha256)


def find_here(name: str) -> Path:
    """Find a model without asking the Hub, otherwise as `find_model`. Raises CheckpointError if it is not here."""
    if path := local_file(name):
        return path
    if path := _cached_file(*_repository(name)):
        return path
    raise CheckpointError(f"{name} is not on this machine", f"mapsr models pull {name}")


def pull(name: str, progress: ByteProgress = silent) -> Path:
    """Find a model as `find_model` does, but ask the Hub even if it is cached: a branch may have moved."""
    if path := local_file(name):
        return path
    repository, sha256 = _repository(name)
    _cached_file(repository, sha256)  # a damaged one goes
    return fetch(repository, progress, sha256)


def local_file(name: str) -> Path | None:
    """Find the checkpoint of a bundled name or a path; None for others. Raises CheckpointError for pickled weights."""
    listed = read_manifest(weights_folder()).get(name)
    if listed is not None and listed.file is not None:
        return weights_folder() / listed.file
    if "\0" in name:
        raise CheckpointError("no model has a NUL in its name")
    path = Path(name)
    if path.suffix.lower() in PICKLED:
        if path.is_file():
            with opened(path) as file:
                check_kind(file, path)
        raise CheckpointError(
            f"{name}: pickled weights can run code when loaded, so mapsr does not open them",
            "ask for a .safetensors file; mapsr upscale --backbone reads weights alone from another tool's .pth",
        )
    try:
        if path.suffix == SUFFIX and path.is_file():
            return path
        return _checkpoint_in(path) if name and path.is_dir() else None
    except OSError:  # too long a name for a path, or a folder that may not be read
        return None


def _checkpoint_in(folder: Path) -> Path:
    """Find `model.safetensors`, as on the Hub, else the one mapsr checkpoint that a folder (of a run) holds."""
    if (folder / MODEL_FILE).is_file():
        return folder / MODEL_FILE
    models = [path for path in model_files(folder) if says_mapsr(path)]
    if len(models) != 1:
        names = ", ".join(path.name for path in models) or "none"
        raise CheckpointError(f"{folder} does not hold one mapsr checkpoint ({names})", "name the file")
    return models[0]


def _repository(name: str) -> tuple[RepoName, str | None]:
    """Resolve a name to a repository and the SHA-256 that pins it, if any. Raises CheckpointError for other names."""
    listed = read_manifest(weights_folder()).get(name)
    if listed is not None and listed.pin is not None:
        return listed.pin, listed.sha256
    repository = parse_repo_name(name)
    if repository is None or name.endswith(SUFFIX):
        bundled = bundled_models()
        suggestion = suggest(name, [*bundled, *(str(cached.name) for cached in cached_models())])
        hint = f"{suggestion}bundled: {', '.join(bundled)}"
        raise CheckpointError(f"no model '{name[:200]}'", f"{hint}; or name a {SUFFIX} file or org/repo[@revision]")
    folder = Path(name).parent
    if "@" not in name and find_cached(repository) is None and os.path.isdir(folder):  # noqa: PTH112 (never raises)
        raise CheckpointError(f"no file or folder {name} in the folder {folder}", f"{name}@main asks the Hub for it")
    return repository, None


def _cached_file(repository: RepoName, sha256: str | None) -> Path | None:
    """Return the cached checkpoint if it is whole; remove a damaged one."""
    cached = find_cached(repository)
    if cached is None:
        return None
    if is_sound(cached.path) and sha256 in (None, sha256_of(cached.path)):
        return cached.path
    discard(cached.path)
    return None
