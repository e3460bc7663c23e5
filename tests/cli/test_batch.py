"""Many files: what is skipped, what fails, what another run does meanwhile."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from mapsr_cli.cli.batch import _pipe
from mapsr_cli.errors import DiskFullError
from mapsr_cli.files import write_bytes
from mapsr_cli.imaging import read_picture
from mapsr_cli.operators import Levels
from tests.cli.conftest import Mapsr
from tests.pictures import save, scene


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    (folder / "deep").mkdir(parents=True)
    for i, name in enumerate(("a.png", "b.png", "c.png", "deep/d.png")):
        save(scene(9, 8, seed=i), folder / name)
    return folder


def written(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


def test_resuming(mapsr: Mapsr, photos: Path, tmp_path: Path, tiny_model: Path) -> None:
    out = tmp_path / "out"
    words = ("upscale", photos, "-r", "-o", out, "-m", tiny_model)
    assert mapsr(*words).code == 0
    before = {name: (out / name).read_bytes() for name in written(out)}
    assert list(before) == ["a_x4.png", "b_x4.png", "c_x4.png", "deep/d_x4.png"]
    (out / "b_x4.png").unlink()
    again = mapsr(*words, "--skip-existing", "--json")
    assert [Path(r["output"]).name for r in again.json["results"]] == ["b_x4.png"]
    assert again.stderr == "3 of 4 files were there already\n"
    assert {name: (out / name).read_bytes() for name in written(out)} == before


def test_a_link_to_nowhere_is_not_written_through(mapsr: Mapsr, photos: Path, tmp_path: Path, tiny_model: Path) -> None:
    (photos / "a_x4.png").symlink_to(tmp_path / "elsewhere.png")
    assert mapsr("upscale", photos / "a.png", "-m", tiny_model).code == 1
    assert mapsr("upscale", photos / "a.png", "-m", tiny_model, "--skip-existing").code == 0
    assert not (tmp_path / "elsewhere.png").exists()


def test_another_run_was_faster(mapsr: Mapsr, photos: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(path: Path, data: bytes, overwrite: bool) -> None:
        write_bytes(path, b"theirs")
        write_bytes(path, data, overwrite)

    monkeypatch.setattr("mapsr_cli.cli.batch.write_bytes", late)
    target = photos / "a_x4.png"
    assert mapsr("upscale", photos / "a.png", "-m", tiny_model, "--skip-existing").code == 0
    assert target.read_bytes() == b"theirs"
    target.unlink()
    done = mapsr("upscale", photos / "a.png", "-m", tiny_model)
    assert done.code == 1
    assert "created by another process in the meantime" in done.stderr
    assert target.read_bytes() == b"theirs"


def test_a_full_disk_ends_the_batch(
    mapsr: Mapsr, photos: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes, overwrite: bool) -> None:
        raise DiskFullError(f"cannot write {path}: No space left on device")

    for i in range(8):
        save(scene(9, 8, seed=i), photos / f"more{i}.png")
    monkeypatch.setattr("mapsr_cli.cli.batch.write_bytes", full)
    done = mapsr("upscale", photos, "-o", tmp_path / "out", "-m", tiny_model, "--json")
    assert done.code == 1
    assert 1 <= len(done.json["failed"]) <= 4
    assert "not tried" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_behind_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    with Path("/dev/full").open("w") as full:
        monkeypatch.setattr(sys, "stdout", full)
        with pytest.raises(DiskFullError, match="standard output: No space"):
            _pipe(b"data")
    # Closing it had nothing left to write, or that would have failed as well.


def test_memory_that_does_not_suffice_ends_no_batch(
    mapsr: Mapsr, photos: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cramped(size: tuple[int, int, int], *given: Any) -> Levels:
        if size[-1] > 40:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return empty(size, *given)

    empty = Levels.empty
    monkeypatch.setattr(Levels, "empty", cramped)
    save(scene(9, 11), photos / "b.png")
    done = mapsr("upscale", photos, "-o", tmp_path / "out", "-m", tiny_model)
    assert done.code == 1
    assert written(tmp_path / "out") == ["a_x4.png", "c_x4.png"]
    assert "error: out of memory upscaling to 44×36 pixels\n" in done.stderr
    assert "--device cpu" in done.stderr


def test_folders_that_cannot_be_written_into(
    mapsr: Mapsr, photos: Path, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    done = mapsr("upscale", photos, "-o", tmp_path / "file" / "out", "-m", tiny_model)
    assert done.code == 1
    assert "Not a directory" in done.stderr
    monkeypatch.setattr(os, "access", lambda path, mode: mode == os.R_OK)  # root may write anywhere
    done = mapsr("upscale", photos / "a.png", "-m", tiny_model)
    assert done.code == 1
    assert "read-only" in done.stderr


def test_a_file_that_vanishes(mapsr: Mapsr, photos: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (photos / "list.txt").write_text("a.png\ngone.png\n")
    done = mapsr("upscale", photos / "list.txt", "-m", tiny_model)
    assert done.code == 1
    assert "gone.png: No such file" in done.stderr
    assert (photos / "a_x4.png").is_file()


@pytest.mark.parametrize(
    "name",
    [
        "-dash.png",
        "with space.png",
        "ünïcödé — 名前 🐈.png",
        "new\nline.png",
        "[bold]x.png",
        "x\\[B].png",
        "..png",
        "a" * 247 + ".png",
    ],
)
def test_odd_names(mapsr: Mapsr, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    save(scene(9, 8), tmp_path / "x.png").rename(tmp_path / name)
    done = mapsr("upscale", "-m", tiny_model, "--", name)
    assert (done.code, done.stderr) == (0, "")
    assert (tmp_path / f"{Path(name).stem}_x4.png").is_file()


def test_a_name_of_bytes_that_are_no_text(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    source = save(scene(9, 8), tmp_path / "x.png").rename(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
    done = mapsr("upscale", source, "-m", tiny_model)
    assert done.code == 0
    assert "\\udcff_x4.png" in done.stdout
    assert mapsr("upscale", source, "-m", tiny_model, "--json").json["failed"][0]["input"] == str(source)


def test_a_name_that_grows_too_long(mapsr: Mapsr, tmp_path: Path, tiny_model: Path) -> None:
    source = save(scene(9, 8), tmp_path / "x.png").rename(tmp_path / ("a" * 251 + ".png"))
    done = mapsr("upscale", source, "-m", tiny_model)
    assert done.code == 1
    assert "File name too long" in done.stderr


@pytest.mark.parametrize("target", ["/dev/null", "/dev/full"])
def test_devices_are_left_alone(mapsr: Mapsr, photos: Path, tiny_model: Path, target: str) -> None:
    done = mapsr("upscale", photos / "a.png", "-m", tiny_model, "-o", target, "--format", "png", "--overwrite")
    assert done.code == 1
    assert Path(target).is_char_device()
    assert mapsr("upscale", "/dev/zero", "-m", tiny_model, "-o", photos / "zero.png").code == 1


@pytest.mark.slow
def test_whoever_stops_reading_gets_no_traceback(photos: Path, tiny_model: Path) -> None:
    command = [sys.executable, "-m", "mapsr_cli", "upscale", str(photos / "a.png"), "-o", "-", "-m", str(tiny_model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        assert process.wait() == 1


def run(rank: int, processes: int, words: list[str]) -> "subprocess.Popen[bytes]":
    environment = {**os.environ, "RANK": str(rank), "WORLD_SIZE": str(processes), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen([sys.executable, "-m", "mapsr_cli", *words], env=environment, stdout=subprocess.PIPE)


@pytest.mark.slow
def test_processes_share_the_files(photos: Path, tmp_path: Path, tiny_model: Path) -> None:
    words = ["upscale", str(photos), "-r", "-o", str(tmp_path / "out"), "-m", str(tiny_model), "--json"]
    documents: list[Any] = [json.loads(p.communicate()[0]) for p in [run(rank, 2, words) for rank in range(2)]]
    assert [len(d["results"]) for d in documents] == [2, 2]
    assert len(written(tmp_path / "out")) == 4


@pytest.mark.slow
def test_two_runs_at_once(photos: Path, tmp_path: Path, tiny_model: Path) -> None:
    """Both over everything: every file is whole, and each was written by one of them or skipped by it."""
    words = ["upscale", str(photos), "-r", "-o", str(tmp_path / "out"), "-m", str(tiny_model), "--json"]
    runs = [run(0, 1, [*words, "--skip-existing"]) for _ in range(2)]
    documents = [json.loads(p.communicate()[0]) for p in runs]
    assert all(d["failed"] == [] for d in documents)
    outputs = sorted(r["output"] for d in documents for r in d["results"])
    assert len(outputs) == len(set(outputs)) == 4
    assert [read_picture(tmp_path / "out" / name).size for name in written(tmp_path / "out")] == [(32, 36)] * 4
