"""docs/add-a-criterion.diff does what its page says."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The package and its tests, with the diff applied."""
    for name in ("mapsr_cli", "tests"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    subprocess.run(["git", "apply", ROOT / "docs/add-a-criterion.diff"], cwd=tmp_path, check=True)
    return tmp_path


@pytest.mark.slow
def test_one_file_one_row_one_test(copy: Path) -> None:
    changed = [
        path.relative_to(copy).as_posix()
        for folder in ("mapsr_cli", "tests")
        for path in (copy / folder).rglob("*.py")
        if not (old := ROOT / path.relative_to(copy)).is_file() or old.read_text() != path.read_text()
    ]
    assert sorted(changed) == [
        "mapsr_cli/criteria/charbonnier.py",
        "mapsr_cli/criteria/methods.py",
        "tests/criteria/test_charbonnier.py",
    ]
    suites = ["tests/criteria/test_charbonnier.py", "tests/criteria/test_methods.py"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-k", "harbonnier", "-vv", *suites],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for name in ("absolute_when_large", "a_step_moves_what_it_should", "any_progress", "made_where_the_images_are"):
        assert re.search(rf"{name}\S* PASSED", done.stdout), done.stdout
