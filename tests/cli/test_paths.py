"""What inputs name, and where outputs go."""

import os
from pathlib import Path

import pytest

from mapsr_cli.cli.paths import Job, Share, Source, find_sources, is_folder, plan
from mapsr_cli.errors import ImageError, UsageError


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.png", "b.JPG", "notes.md", ".hidden.png", "a_x4.png", "deep/c.webp", "deep/deeper/d.avif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def found(tree: Path, *inputs: Path | str, recursive: bool = False) -> list[str]:
    sources = find_sources([Path(i) for i in inputs], recursive, "_x4")
    return [source.path.relative_to(tree).as_posix() for source in sources]


def test_folders(tree: Path) -> None:
    assert found(tree, tree) == ["a.png", "b.JPG"]
    assert found(tree, tree, recursive=True) == ["a.png", "b.JPG", "deep/c.webp", "deep/deeper/d.avif"]
    with pytest.raises(UsageError, match="no images") as nothing:
        found(tree, tree / "folder.png")
    assert "--recursive" in nothing.value.hint


def test_what_is_no_file_is_left_alone_in_folders(tree: Path) -> None:
    os.mkfifo(tree / "pipe.png")
    (tree / "null.png").symlink_to("/dev/null")
    (tree / "nowhere.png").symlink_to(tree / "gone")
    (tree / "round.png").symlink_to(tree / "round.png")
    assert found(tree, tree) == ["a.png", "b.JPG", "nowhere.png", "round.png"]


def test_a_folder_with_nothing_but_an_earlier_run_s_results(tree: Path) -> None:
    (tree / "folder.png" / "a_x4.png").touch()
    assert found(tree, tree / "folder.png") == []


def test_patterns(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(tree, tree / "*.png") == ["a.png", "a_x4.png"]
    assert found(tree, tree / "**" / "*.webp") == ["deep/c.webp"]
    with pytest.raises(UsageError, match="no file matches"):
        found(tree, tree / "*.bmp")
    monkeypatch.chdir(tree)
    assert [s.path for s in find_sources([Path("[ab].*")], False, "_x4")] == [Path("a.png"), Path("b.JPG")]


def test_names_that_look_like_patterns(tree: Path) -> None:
    (tree / "x[1]*.png").touch()
    assert found(tree, tree / "x[1]*.png") == ["x[1]*.png"]


def test_lists(tree: Path) -> None:
    (tree / "list.txt").write_text("\ufeffa.png\n\n# a remark\ndeep\n  b.JPG \n", "utf-8")
    assert found(tree, tree / "list.txt") == ["a.png", "deep/c.webp", "b.JPG"]
    assert found(tree, tree / "list.txt", tree / "b.JPG") == ["a.png", "deep/c.webp", "b.JPG"]
    (tree / "bad.lst").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ImageError, match="readable list"):
        found(tree, tree / "bad.lst")


def test_what_is_not_there_is_left_to_whoever_reads_it(tree: Path) -> None:
    assert found(tree, tree / "none.png", tree / ("y" * 300)) == ["none.png", "y" * 300]


def jobs(sources: list[Source], output: Path | None, folder: bool = False) -> list[tuple[str, str]]:
    return [(str(j.source), str(j.target)) for j in plan(sources, output, folder, "_x4", None)]


def test_targets() -> None:
    a, b = Source(Path("in/a.jpg"), Path("in")), Source(Path("in/deep/b.png"), Path("in"))
    assert jobs([a], None) == [("in/a.jpg", "in/a_x4.png")]
    assert jobs([a, b], Path("out"), folder=True) == [
        ("in/a.jpg", "out/a_x4.png"),
        ("in/deep/b.png", "out/deep/b_x4.png"),
    ]
    assert jobs([Source(Path("-"))], Path("-")) == [("-", "-")]
    assert jobs([a], Path("big.webp")) == [("in/a.jpg", "big.webp")]
    with pytest.raises(UsageError, match="needs -o"):
        jobs([Source(Path("-"))], None)
    with pytest.raises(UsageError, match="would both be written"):
        jobs([a, b], Path("big.webp"))
    with pytest.raises(UsageError, match="gif"):
        jobs([a], Path("big.gif"))


def test_when_output_is_a_folder(tree: Path) -> None:
    one, two = [Source(tree / "a.png")], [Source(tree / "a.png"), Source(tree / "b.JPG")]
    assert is_folder(tree, [tree / "a.png"], one)
    assert is_folder(Path("new.d"), [tree], one)
    assert is_folder(Path("new.d"), [tree / "*"], two)
    assert is_folder(Path("new"), [tree / "a.png"], one)
    assert not is_folder(Path("new.png"), [tree / "a.png"], one)


def test_processes_share(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = [Job(Path(f"{i}"), Path(f"{i}_x4")) for i in range(7)]
    assert Share.from_environment().of(everything) == everything
    monkeypatch.setenv("WORLD_SIZE", "3")
    shares = []
    for rank in range(3):
        monkeypatch.setenv("RANK", str(rank))
        shares.append(Share.from_environment().of(everything))
    assert sorted((job for share in shares for job in share), key=lambda job: job.source) == everything
    for wrong in ("3", "-1", "x"):
        monkeypatch.setenv("RANK", wrong)
        with pytest.raises(UsageError, match="RANK"):
            Share.from_environment()
