"""Two processes do not train in one folder."""

import subprocess
import sys
from pathlib import Path

import pytest

from mapsr_cli.errors import FileError
from mapsr_cli.training.lock import locked

HOLD = """
import sys, time
from pathlib import Path
from mapsr_cli.training.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_folder_is_held_by_one_process_until_it_ends(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    with pytest.raises(FileError, match="another process trains in"), locked(folder):
        pass
    with locked(folder, wanted=False):  # as other processes of the same run do
        pass
    process.kill()
    process.wait()
    with locked(folder):
        assert list(folder.iterdir()) == []
    process.stdout.close()


def test_a_place_that_cannot_be_a_folder(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileError, match="cannot make the folder"), locked(tmp_path / "file" / "run"):
        pass
