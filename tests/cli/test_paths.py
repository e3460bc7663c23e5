"""What inputs name, and where outputs go."""

import os
from pathlib import Path

import pytest

from mapsr_cli.cli.paths import (
    PIPE,
    Job,
    Share,
    Source,
    check_naming,
    check_outputs,
    find_sources,
    is_folder,
    plan,
    refuse_replacing,
)
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


def test_a_file_named_twice_counts_once_as_it_was_named_first(tree: Path) -> None:
    assert found(tree, tree, tree / "a.png") == ["a.png", "b.JPG"]
    deep = find_sources([tree, tree / "deep", PIPE, PIPE], True, "_x4")
    assert [source.path for source in deep[2:]] == [tree / "deep" / "c.webp", tree / "deep" / "deeper" / "d.avif", PIPE]
    assert [source.root for source in deep] == [tree] * 4 + [None]


def test_behind_locked_doors(tree: Path, locked: Path) -> None:
    (tree / "list.txt").symlink_to(locked / "list.txt")
    assert found(tree, tree / "list.txt") == ["list.txt"]
    with pytest.raises(UsageError, match="no folder"):
        check_outputs(True, locked / "deeper" / "out.png")


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


def test_inputs_are_not_replaced(tree: Path) -> None:
    a, b, made = (Job(tree / name, tree / f"{Path(name).stem}_x4.png") for name in ("a.png", "b.JPG", "a_x4.png"))
    refuse_replacing([a, b, Job(PIPE, PIPE)])
    with pytest.raises(UsageError, match=r"a_x4\.png would replace .*a_x4\.png, another input"):
        refuse_replacing([a, b, made])
    with pytest.raises(UsageError, match="its own input"):
        refuse_replacing([Job(tree / "a.png", tree / "deep" / ".." / "a.png")])
    (tree / "link.png").symlink_to(tree / "a.png")
    for source, target in ((tree / "link.png", tree / "a.png"), (tree / "a.png", tree / "link.png")):
        with pytest.raises(UsageError, match="replace"):
            refuse_replacing([Job(source, target)])


@pytest.mark.parametrize("name", ["b_x4_2.png", "b_x4_samples.png", "b_x4_spread.png"])
def test_nor_by_samples_and_what_shows_them(tree: Path, name: str) -> None:
    (tree / name).touch()
    jobs = plan([Source(tree / "b.JPG"), Source(tree / name)], None, False, "_x4", None)
    refuse_replacing(jobs)
    with pytest.raises(UsageError, match="another input"):
        refuse_replacing(jobs, samples=2)


def test_what_cannot_end_a_name() -> None:
    check_naming(None, None)
    check_naming("-big", "JPG")
    for suffix in ("/x", "/../../x", "a/"):
        with pytest.raises(UsageError, match="--suffix"):
            check_naming(suffix, None)
    for text in ("a/b.png", "b.png", "gif", "a/png"):
        with pytest.raises(UsageError, match=r"--format|cannot write"):
            check_naming(None, text)


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
    monkeypatch.setenv("RANK", "")  # set, but empty
    monkeypatch.setenv("WORLD_SIZE", "")
    assert Share.from_environment().of(everything) == everything
    monkeypatch.setenv("WORLD_SIZE", "3")
    for wrong in ("3", "-1", "x"):
        monkeypatch.setenv("RANK", wrong)
        with pytest.raises(UsageError, match="RANK"):
            Share.from_environment()
