"""The one writer, and everything that writes through it."""

import ast
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from mapsr_cli.errors import DiskFullError, FileError
from mapsr_cli.files import check_target, identity, make_folder, write_bytes
from mapsr_cli.imaging import write_picture
from mapsr_cli.training.checkpoint import save_state
from mapsr_cli.training.data.lessons import write_lesson
from mapsr_cli.training.journal import CsvJournal
from mapsr_cli.zoo.sealed import write_tensors
from tests.pictures import scene
from tools.manifest import write_manifest

BLACK = torch.zeros(1, 3, 4, 4)
PACKAGE = Path(__file__).parents[1] / "mapsr_cli"


@pytest.fixture(params=["nameless", "hidden"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of writing: where files may go without a name, and where they may not."""
    if request.param == "hidden":
        monkeypatch.setattr("mapsr_cli.files._write_nameless", lambda path, data, overwrite: False)


@pytest.mark.usefixtures("way")
def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"before")

    def full(self: Path, other: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(FileError, match="No space left") as failed:
        write_bytes(target, b"after")
    assert "--skip-existing" in failed.value.hint
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("way")
def test_a_name_that_was_taken_meanwhile(tmp_path: Path) -> None:
    target = tmp_path / "a.png"
    write_bytes(target, b"first", overwrite=False)
    with pytest.raises(FileExistsError):
        write_bytes(target, b"second", overwrite=False)
    assert target.read_bytes() == b"first"
    write_bytes(target, b"second", overwrite=True)
    assert target.read_bytes() == b"second"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.usefixtures("way")
def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_bytes(tmp_path / "a.png", b"data")
    assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.usefixtures("way")
def test_a_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "precious").write_bytes(b"mine")
    (tmp_path / "a.png").symlink_to(tmp_path / "precious")
    with pytest.raises(FileError, match="exists"):
        check_target(tmp_path / "a.png", overwrite=False)
    write_bytes(tmp_path / "a.png", b"data")
    assert (tmp_path / "precious").read_bytes() == b"mine"
    assert not (tmp_path / "a.png").is_symlink()


def test_a_link_to_nowhere_exists(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileError, match="exists"):
        check_target(tmp_path / "a.png", overwrite=False)


def test_a_link_into_a_locked_folder_exists(tmp_path: Path, locked: Path) -> None:
    (tmp_path / "a.png").symlink_to(locked / "a.png")
    with pytest.raises(FileError, match="exists"):
        check_target(tmp_path / "a.png", overwrite=False)
    with pytest.raises(FileError, match="cannot write"):
        check_target(locked / "a.png", overwrite=False)


@pytest.mark.parametrize("name", ["x" * 256, "nul\0byte"])
def test_names_that_cannot_be(tmp_path: Path, name: str) -> None:
    with pytest.raises(FileError):
        check_target(tmp_path / name, overwrite=False)


def test_devices_and_folders_are_left_alone(tmp_path: Path) -> None:
    for path in (Path("/dev/null"), tmp_path):
        with pytest.raises(FileError, match="not a plain file"):
            check_target(path, overwrite=True)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot write"):
        write_bytes(tmp_path / "no" / "a.png", b"data")


WRITERS: dict[str, tuple[str, Callable[[Path], object]]] = {
    "bytes": ("a.bin", lambda path: write_bytes(path, b"after")),
    "picture": ("a.png", lambda path: write_picture(path, scene(4, 4))),
    "checkpoint of a run": ("checkpoint.safetensors", lambda path: save_state(path, {"step": 1, "w": torch.ones(3)})),
    "lesson": ("0.safetensors", lambda path: write_lesson(path, BLACK.byte(), BLACK)),
    "journal": ("metrics.csv", lambda path: CsvJournal(path.parent, 0).close()),
    "sealed file": ("m.safetensors", lambda path: write_tensors(path, {"w": torch.ones(3)}, {"format": 1})),
    "manifest": ("manifest.json", lambda path: write_manifest(path.parent, {})),
}


@pytest.mark.parametrize("kind", WRITERS)
def test_whole_or_not_at_all(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk every writer leaves the file that was there, nothing else, and says so in one kind of error."""
    name, write = WRITERS[kind]
    write(tmp_path / name)
    before = (tmp_path / name).read_bytes()

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(DiskFullError, match=name):
            write(tmp_path / name)
    assert (tmp_path / name).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_names_of_one_file(tmp_path: Path, locked: Path) -> None:
    (tmp_path / "a").touch()
    (tmp_path / "b").touch()
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "hard").hardlink_to(tmp_path / "a")
    (tmp_path / "nowhere").symlink_to("none")
    assert identity(tmp_path / "a") == identity(tmp_path / "link") == identity(tmp_path / "hard")
    assert identity(tmp_path / "a") != identity(tmp_path / "b")
    assert identity(tmp_path / "nowhere") is identity(locked / "x") is identity(tmp_path / "nul\0") is None


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    with pytest.raises(FileError, match="cannot make the folder"):
        make_folder(tmp_path / "file" / "b")


MOVES = {"rename", "renames", "link", "symlink", "move", "copyfile", "hardlink_to", "symlink_to"}
WRITES = {"write_text", "write_bytes", "save_file", "NamedTemporaryFile", "mkstemp"}


def _writes(tree: ast.AST) -> list[int]:
    """Lines that rename, replace or write a file by another way than `files.write_bytes`."""
    lines = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function, mode = node.func, [*node.args, *(word.value for word in node.keywords if word.arg == "mode")]
        if isinstance(function, ast.Attribute):  # str.replace takes two arguments, Path.replace one, os.replace is os's
            of_os = isinstance(function.value, ast.Name) and function.value.id == "os"
            replaces = function.attr == "replace" and (of_os or len(node.args) == 1)
            found = function.attr in MOVES | WRITES or replaces
        else:
            found = isinstance(function, ast.Name) and function.id in MOVES | (WRITES - {"write_bytes"})
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        creates = name == "open" and any(
            isinstance(given, ast.Constant)
            and isinstance(given.value, str)
            and set(given.value) & set("wx")
            and set(given.value) <= set("wxbt+")
            for given in mode
        )
        nowhere = bool(node.args) and ast.unparse(node.args[0]) == "os.devnull"
        in_memory = any(word.arg == "fileobj" for word in node.keywords)
        if found or (creates and not nowhere and not in_memory):
            lines.append(node.lineno)
    return lines


def test_nothing_else_renames_or_replaces_files() -> None:
    others = {
        f"{path.relative_to(PACKAGE)}:{line}"
        for path in PACKAGE.rglob("*.py")
        if path != PACKAGE / "files.py"
        for line in _writes(ast.parse(path.read_text("utf-8")))
    }
    assert others == set()
    assert len(_writes(ast.parse((PACKAGE / "files.py").read_text("utf-8")))) >= 4  # so it does see them
