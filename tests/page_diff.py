"""Diffs in docs that show how to add something: what they change, and how it does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def applied(diff: str, folder: Path) -> Path:
    """Copy package, tests and docs to `folder`, with docs/`diff` applied."""
    for name in ("mapsr_cli", "tests", "docs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    subprocess.run(["git", "apply", ROOT / "docs" / diff], cwd=folder, check=True)
    return folder


def changed(copy: Path) -> list[str]:
    """List the package's and the tests' files that are not as they are here."""
    return sorted(
        path.relative_to(copy).as_posix()
        for folder in ("mapsr_cli", "tests")
        for path in (copy / folder).rglob("*.py")
        if not (old := ROOT / path.relative_to(copy)).is_file() or old.read_text() != path.read_text()
    )


def passed(copy: Path, word: str, *suites: str) -> str:
    """Run the tests of `suites` whose names have `word`; return what pytest says, of each test. Fails if one fails."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", word, "-vv", *suites],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
