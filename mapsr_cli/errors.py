"""What went wrong, where, and what to do: every error a user can cause is one of these."""

from collections.abc import Iterable
from difflib import get_close_matches


class MapsrError(Exception):
    """An expected failure: one line that says what, and one (`hint`) that says what to do next.

    The command line prints both and exits with `exit_code`; a traceback is for bugs alone.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(MapsrError):
    """The call itself makes no sense (an unknown kernel, a flag out of range)."""

    exit_code = 2


class KernelError(MapsrError):
    """A kernel that cannot be inverted well enough to make a promise about it."""


class ImageError(MapsrError):
    """A picture that cannot be read, or cannot be stored as the file that is asked for."""


class FileError(MapsrError):
    """A file or folder that cannot be written, or may not be replaced."""


class DiskFullError(FileError):
    """The disk is full: whatever is written next would fail as well."""

    def __init__(self, message: str) -> None:
        super().__init__(
            message, "free some space, then go on: upscale --skip-existing, train --resume, or the same command again"
        )


class CheckpointError(MapsrError):
    """Weights that are missing, damaged, or not what they say they are."""


class ConsistencyError(MapsrError):
    """A picture that does not give its low-resolution original back."""


class ReportError(MapsrError):
    """A report that cannot be read, was changed since it was written, or is about other files than those at hand."""


class SigningError(MapsrError):
    """A certificate or private key that cannot sign."""


class HubError(MapsrError):
    """The Hugging Face Hub cannot be reached, says no, or sends what it should not."""


class MissingExtraError(MapsrError):
    """An optional package that the call needs is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"the optional packages for {what} are not installed", install_command(extra))


class UnexpectedError(MapsrError):
    """An exception that no code foresaw, in one line; the exception itself is its `__cause__`."""

    def __init__(self, error: Exception) -> None:
        text = " ".join(str(error).split()) or "no message"
        super().__init__(f"unexpected {type(error).__name__}: {text}", "--debug shows the traceback: please report it")
        self.__cause__ = error


def as_failure(error: Exception) -> MapsrError:
    """Return an exception as a failure that can be told in one line; itself if it is one."""
    return error if isinstance(error, MapsrError) else UnexpectedError(error)


def install_command(extra: str) -> str:
    """Return the command that installs an extra from where this mapsr came from: a folder, a repository or an index."""
    import json
    from importlib.metadata import PackageNotFoundError, distribution
    from pathlib import Path
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    root = Path(__file__).parent.parent
    try:
        # Written by pip for everything that did not come from an index (PEP 610).
        origin = json.loads(distribution("mapsr").read_text("direct_url.json") or "{}")
    except (PackageNotFoundError, ValueError):
        origin = {"url": root.as_uri(), "dir_info": {}} if (root / "pyproject.toml").is_file() else {}
    url = str(origin.get("url", ""))
    if "vcs_info" in origin:
        return f"pip install 'mapsr[{extra}] @ {origin['vcs_info'].get('vcs', 'git')}+{url}'"
    if not url.startswith("file://"):
        return f"pip install 'mapsr[{extra}]'"
    editable = "--editable " if origin.get("dir_info", {}).get("editable") else ""
    return f"pip install {editable}'{url2pathname(urlsplit(url).path)}[{extra}]'"


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that a misspelt one is nearest to, and list all; for hints."""
    names = list(known)
    return f"{suggest(name, names)}known: {', '.join(names)}"


def suggest(name: str, known: Iterable[str]) -> str:
    """Suggest the known name that a misspelt one is nearest to, whatever its case; nothing where none is near."""
    by_lower = {one.lower(): one for one in known}
    near = get_close_matches(name.lower(), by_lower, 1)
    return f"did you mean '{by_lower[near[0]]}'? " if near else ""
