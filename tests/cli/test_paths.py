"""What inputs name, and where outputs go."""

import os
from pathlib import Path

import pytest
import torch

from mapsr_cli.cli.paths import (
    Destination,
    Job,
    Share,
    check_naming,
    check_outputs,
    choose_destination,
    plan,
    refuse_replacing,
)
from mapsr_cli.cli.sources import PIPE, Source, find_sources
from mapsr_cli.errors import ImageError, UsageError
from mapsr_cli.imaging import Picture, Provenance, write_picture


def write_output(path: Path) -> None:
    """As mapsr writes it: with provenance."""
    provenance = Provenance("tiny", "bicubic", 4, None, "0" * 64, "0.1.0")
    write_picture(path, Picture(torch.zeros(3, 4, 4, dtype=torch.uint8), 255), provenance=provenance)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name in ("a.png", "b.JPG", "notes.md", ".hidden.png", "a_x4.png", "deep/c.webp", "deep/deeper/d.avif"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    write_output(tmp_path / "a_x4.png")
    (tmp_path / "folder.png").mkdir()
    return tmp_path


def found(tree: Path, *inputs: Path | str, recursive: bool = False) -> list[str]:
    sources = find_sources([Path(i) for i in inputs], recursive, "_x4").files
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
    write_output(tree / "folder.png" / "a_x4.png")
    assert found(tree, tree / "folder.png") == []


def test_provenance_tells_outputs_not_names(tree: Path) -> None:
    write_output(tree / "renamed.webp")
    for name in ("bmw_x4.png", "a_x4_samples.png", "a_x4.bmp", "lonely_x4.bmp", "lonely_x4_spread.png"):
        (tree / name).touch()
    sources = find_sources([tree], False, "_x4")
    kept = ["a.png", "b.JPG", "bmw_x4.png", "lonely_x4.bmp", "lonely_x4_spread.png"]
    assert [source.path.name for source in sources.files] == kept
    assert [path.name for path in sources.outputs] == ["a_x4.bmp", "a_x4.png", "a_x4_samples.png", "renamed.webp"]
    assert [s.path.name for s in find_sources([tree / "a_x4.png"], False, "_x4").files] == ["a_x4.png"]  # by its name


def test_folders_that_may_not_be_read_are_reported(tree: Path, closed_folder: Path) -> None:
    sources = find_sources([tree], True, "_x4")
    assert [source.path.name for source in sources.files] == ["a.png", "b.JPG", "c.webp", "d.avif"]
    assert list(sources.unreadable) == [closed_folder]
    assert list(find_sources([closed_folder], False, "_x4").unreadable) == [closed_folder]


def test_patterns(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(tree, tree / "*.png") == ["a.png"]
    assert found(tree, tree / "**" / "*.webp") == ["deep/c.webp"]
    with pytest.raises(UsageError, match="no file matches"):
        found(tree, tree / "*.bmp")
    monkeypatch.chdir(tree)
    assert [s.path for s in find_sources([Path("[ab].*")], False, "_x4").files] == [Path("a.png"), Path("b.JPG")]


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
    deep = find_sources([tree, tree / "deep", PIPE, PIPE], True, "_x4").files
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
    destination = None if output is None else Destination(output, folder)
    return [(str(j.source), str(j.target)) for j in plan(sources, destination, "_x4", None, None)]


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
    refuse_replacing([a, b, made], overwrite=False)
    with pytest.raises(UsageError, match=r"a_x4\.png would replace .*a_x4\.png, another input"):
        refuse_replacing([a, b, made])
    with pytest.raises(UsageError, match="its own input"):
        refuse_replacing([Job(tree / "a.png", tree / "deep" / ".." / "a.png")])
    (tree / "link.png").symlink_to(tree / "a.png")
    for source, target in ((tree / "link.png", tree / "a.png"), (tree / "a.png", tree / "link.png")):
        with pytest.raises(UsageError, match="replace"):
            refuse_replacing([Job(source, target)], overwrite=False)


@pytest.mark.parametrize("name", ["b_x4_2.png", "b_x4_samples.png", "b_x4_spread.png"])
def test_nor_by_samples_and_what_shows_them(tree: Path, name: str) -> None:
    (tree / name).touch()
    jobs = plan([Source(tree / "b.JPG"), Source(tree / name)], None, "_x4", None, None)
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
        with pytest.raises(UsageError, match=r"--format|is no file format"):
            check_naming(None, text)


def test_when_output_is_a_folder(tree: Path) -> None:
    def folder(output: Path | str, inputs: list[Path], sources: list[Source]) -> bool:
        chosen = choose_destination(str(output), inputs, sources, None)
        assert chosen is not None
        assert chosen.path == Path(output)
        return chosen.folder

    one, two = [Source(tree / "a.png")], [Source(tree / "a.png"), Source(tree / "b.JPG")]
    assert folder(tree, [tree / "a.png"], one)
    assert folder("new.d", [tree], one)
    assert folder("new.d", [tree / "*"], two)
    assert folder("new", [tree / "a.png"], one)
    assert folder("results_v1.0/", [tree / "a.png"], one)
    assert folder("new.png/", [tree / "*"], two)
    assert folder(tree / "folder.png", [tree / "*"], two)
    assert not folder("new.png", [tree / "a.png"], one)
    assert not folder("-", [tree / "a.png"], one)
    assert choose_destination(None, [tree], one, None) is None
    for inputs, sources in (([tree], one), ([tree / "*"], two)):
        with pytest.raises(UsageError, match=r"new\.png names one picture") as refused:
            folder("new.png", inputs, sources)
        assert "-o new.png/" in refused.value.hint
    with pytest.raises(UsageError, match="say different formats"):
        choose_destination("new.jpg", [tree / "a.png"], one, "png")
    for agreeing in ("new.jpg", "new.JPEG", "/dev/null", "out.tmp"):
        assert choose_destination(agreeing, [tree / "a.png"], one, "jpg") is not None


def test_two_inputs_of_one_name(tree: Path) -> None:
    a, b, other = (Source(Path(name)) for name in ("in/a.jpg", "in/a.png", "else/a.png"))
    assert jobs([a, b], None) == [("in/a.jpg", "in/a_x4.png"), ("in/a.png", "in/a.png_x4.png")]
    assert jobs([a, b], Path("out"), folder=True) == [("in/a.jpg", "out/a_x4.png"), ("in/a.png", "out/a.png_x4.png")]
    with pytest.raises(UsageError, match="would both be written"):
        jobs([b, other], Path("out"), folder=True)
    with pytest.raises(UsageError, match="would both be written"):
        jobs([a, b, other], Path("out"), folder=True)


def test_an_output_of_the_same_call_is_no_input(tree: Path) -> None:
    """`*.png`, expanded by the shell, a second time."""
    sources = [Source(tree / name) for name in ("a.png", "a_x4.png")]
    assert [job.source.name for job in plan(sources, None, "_x4", None, None)] == ["a.png"]
    assert [job.source.name for job in plan(sources[1:], None, "_x4", None, None)] == ["a_x4.png"]
    (tree / "a_x4.png").write_bytes(b"")  # no output of ours
    assert [job.source.name for job in plan(sources, None, "_x4", None, None)] == ["a.png", "a_x4.png"]


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
