"""Talking to the Hugging Face Hub, through huggingface_hub: its cache, endpoint, token and offline settings.

`HF_HOME`, `HF_ENDPOINT`, `HF_TOKEN`, `HF_HUB_OFFLINE` and the library's other variables work as everywhere.
"""

import logging
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

from mapsr_cli.errors import CheckpointError, HubError
from mapsr_cli.files import make_folder, make_link, write_bytes
from mapsr_cli.zoo import strict_json
from mapsr_cli.zoo.cache import MODEL_FILE, blob_hash, cache_root, cached_models, find_cached
from mapsr_cli.zoo.manifest import read_manifest, weights_folder
from mapsr_cli.zoo.names import DEFAULT_REVISION, RepoName, is_commit
from mapsr_cli.zoo.transfer import (
    LARGEST,
    LARGEST_ANSWER,
    LARGEST_UNSTATED,
    LEAST_RATE,
    PATIENCE,
    Allowance,
    ByteProgress,
    download,
    limited_answers,
    silent,
    within,
)

_HASH = re.compile(r"[0-9a-f]{64}|[0-9a-f]{40}")
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_SECONDS = 10.0
"""How long the Hub may take to answer a question that is only asked to explain an error."""


def fetch(repository: RepoName, progress: ByteProgress = silent, sha256: str | None = None) -> Path:
    """Fetch a repository's checkpoint into the Hub's cache, in the library's layout.

    Only the Hub's first answer counts: it names the commit and the hash, and nothing is written unless the bytes have
    that hash, and `sha256` where that is not None. A file that is there already is not fetched again. It takes at most
    2 · PATIENCE seconds, and those that n bytes take at LEAST_RATE. Raises HubError, in one line, whatever goes wrong.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url

    with _explaining(repository):
        url = hf_hub_url(repository.repo, MODEL_FILE, revision=repository.revision)
        about = within(PATIENCE, lambda: get_hf_file_metadata(url))
        etag, commit = about.etag or "", about.commit_hash or ""
        if not (_HASH.fullmatch(etag) and is_commit(commit)):
            raise HubError(f"{repository}: {_where()} states no valid commit and hash", "check HF_ENDPOINT")
        if about.size is not None and not 0 < about.size <= LARGEST:
            raise HubError(f"{repository}: {about.size} bytes", f"a model has at most {LARGEST >> 20} MiB")
        blob = cache_root() / repository.folder / "blobs" / etag
        if not (blob.is_file() and _is(blob, etag, sha256)):
            data = download(about.location, Allowance(about.size or LARGEST_UNSTATED), progress)
            if not _is(data, etag, sha256):
                raise HubError(f"{repository}: the file received has another hash than was stated", "try again")
            make_folder(blob.parent)
            write_bytes(blob, data)
        return _enter(repository, commit, blob)


def _is(data: Path | bytearray, etag: str, sha256: str | None) -> bool:
    """Compare with the hash that the Hub states, and with the one that the manifest does."""
    return blob_hash(data, len(etag)) == etag and sha256 in (None, blob_hash(data, 64))


def _enter(repository: RepoName, commit: str, blob: Path) -> Path:
    """Place a blob in the snapshot of its commit, and the commit at the revision; return its path there."""
    folder = blob.parents[1]
    path = folder / "snapshots" / commit / MODEL_FILE
    make_folder(path.parent)
    make_link(path, Path("..", "..", "blobs", blob.name))
    if not is_commit(repository.revision):
        ref = folder / "refs" / repository.revision
        make_folder(ref.parent)
        write_bytes(ref, commit.encode())
    return path


def publish(repo: str, files: Mapping[str, bytes | Path], message: str, private: bool) -> tuple[str, str]:
    """Put files into a repository, created if needed, in one commit; return its URL and hash. Raises HubError."""
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi()
    with _explaining(RepoName(repo)), limited_answers(), _without_bars():
        within(PATIENCE, lambda: api.create_repo(repo, private=private or None, exist_ok=True))
        operations = [CommitOperationAdd(path_in_repo=path, path_or_fileobj=data) for path, data in files.items()]
        size = sum(operation.upload_info.size for operation in operations)
        commit = within(
            4 * PATIENCE + size / LEAST_RATE, lambda: api.create_commit(repo, operations, commit_message=message)
        )
        return str(commit.commit_url), str(commit.oid)


def remove_cached(name: RepoName) -> int:
    """Remove a repository from the cache, or one revision of it if the name has one. Returns the bytes freed.

    Raises CheckpointError where there is no mapsr model of that name: the cache holds others' models too.
    """
    from huggingface_hub import scan_cache_dir

    commits = {cached.commit for cached in cached_models() if cached.name.repo == name.repo}
    if name.revision != DEFAULT_REVISION:
        one = find_cached(name)
        commits &= {one.commit} if one else set()
    if not commits:
        raise CheckpointError(f"{name} is no model in the cache", "mapsr models list shows what is")
    strategy = scan_cache_dir(cache_root()).delete_revisions(*commits)
    strategy.execute()
    return int(strategy.expected_freed_size)


@contextmanager
def _explaining(repository: RepoName) -> Iterator[None]:
    """Turn whatever huggingface_hub raises into a HubError of one line; silence what it logs and warns of."""
    from huggingface_hub.utils import logging as hub_logging

    verbosity = hub_logging.get_verbosity()
    hub_logging.set_verbosity(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except HubError:
        raise
    except Exception as error:  # its own errors, those of its HTTP client, the system's
        raise _explained(error, repository) from error
    finally:
        hub_logging.set_verbosity(verbosity)


@contextmanager
def _without_bars() -> Iterator[None]:
    """Switch off huggingface_hub's bars, which it draws for uploads even into pipes."""
    from huggingface_hub import constants
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, disable_progress_bars, enable_progress_bars

    if are_progress_bars_disabled() or constants.HF_HUB_DISABLE_PROGRESS_BARS is not None:
        yield
        return
    disable_progress_bars()
    try:
        yield
    finally:
        enable_progress_bars()


def _explained(error: Exception, repository: RepoName) -> HubError:
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        OfflineModeIsEnabled,
        RevisionNotFoundError,
    )

    while isinstance(error.__cause__, Exception) and getattr(error, "response", None) is None:
        error = error.__cause__  # "error while uploading …", "cannot find …": what lies behind them says why
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, OfflineModeIsEnabled):
        return HubError(f"{repository}: HF_HUB_OFFLINE is set, so the Hub is not asked", _offline_hint())
    if isinstance(error, RevisionNotFoundError):
        return HubError(
            f"{repository}: there is no revision '{repository.revision}'", f"see {_where()}/{repository.repo}/tree/main"
        )
    if isinstance(error, EntryNotFoundError):
        return _without_checkpoint(repository)
    if isinstance(error, GatedRepoError) or status == 403:
        return HubError(
            f"{repository}: access denied (403)",
            f"ask for access at {_where()}/{repository.repo}, or set HF_TOKEN to a token that may",
        )
    if status == 401:
        return HubError(
            f"{repository}: no such model, or a private one, or a token that is not valid (401)",
            "check the name; for a private model set HF_TOKEN, or `hf auth login`",
        )
    if status == 404:
        return HubError(f"{repository}: no such model at {_where()} (404)", "check the name: org/repo[@revision]")
    if status == 429:
        return HubError(f"{repository}: too many requests (429)", "try again in a few minutes; a token helps")
    if status is not None:
        return HubError(
            f"{repository}: the Hub answers with an error ({status})", f"try again later; {_offline_hint()}"
        )
    return HubError(f"{repository}: cannot fetch from or send to {_where()} ({_reason(error)})", _offline_hint())


def _reason(error: Exception) -> str:
    return (str(error).strip().splitlines() or [""])[0][:200] or type(error).__name__


def _without_checkpoint(repository: RepoName) -> HubError:
    """Say what is there instead of a checkpoint, if that can be known."""
    url = f"{_where()}/api/models/{repository.repo}/revision/{quote(repository.revision, safe='')}"
    try:
        about = strict_json.parse(bytes(download(url, Allowance(LARGEST_ANSWER, _SECONDS))))
        names = [str(sibling["rfilename"]) for sibling in about["siblings"]]
    except Exception:  # the error at hand matters more than one on the way to explain it
        names = []
    if any(name.endswith(_PICKLED) for name in names):
        return HubError(
            f"{repository} has only pickled weights, which can run code when loaded: mapsr does not open them",
            f"ask its authors for {MODEL_FILE}",
        )
    return HubError(f"{repository} has no {MODEL_FILE}: not a mapsr model", "mapsr models list shows what is known")


def _where() -> str:
    from huggingface_hub import constants

    return constants.ENDPOINT


def _offline_hint() -> str:
    bundled = [name for name, listed in read_manifest(weights_folder()).items() if listed.file is not None]
    return "available offline: " + ", ".join(bundled + [str(cached.name) for cached in cached_models()])
