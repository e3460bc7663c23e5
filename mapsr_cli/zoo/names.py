"""`org/repo[@revision]`: names of models on the Hub, checked before any path is made of one."""

import re
from dataclasses import dataclass

DEFAULT_REVISION = "main"
_PART = r"[A-Za-z0-9](?:[\w.-]{0,94}[A-Za-z0-9_])?"
_NAME = re.compile(rf"({_PART}/{_PART})(?:@([A-Za-z0-9_][\w./-]{{0,199}}))?", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True)
class RepoName:
    """A model repository at a revision."""

    repo: str
    """`org/repo`."""
    revision: str = DEFAULT_REVISION
    """A branch, a tag or a commit."""

    def __str__(self) -> str:
        return self.repo if self.revision == DEFAULT_REVISION else f"{self.repo}@{self.revision}"

    @property
    def folder(self) -> str:
        """Its folder in the Hub's cache."""
        return "models--" + self.repo.replace("/", "--")


def parse_repo_name(text: str) -> RepoName | None:
    """Parse `org/repo[@revision]`; None for anything else.

    Letters, digits and `. _ -` only, never `..`, `--` or an empty part: so no drive letter, no NUL, no absolute path,
    and nothing that leaves the folder it is put into.
    """
    match = _NAME.fullmatch(text)
    if match is None or "--" in match[1] or match[1].endswith(".git"):
        return None
    revision = match[2] or DEFAULT_REVISION
    if any(part in ("", ".", "..") or part.endswith(".lock") for part in revision.split("/")) or ".." in text:
        return None
    return RepoName(match[1], revision)


def is_commit(text: str) -> bool:
    """Tell whether a revision is a full commit hash, which cannot move."""
    return _COMMIT.fullmatch(text) is not None
