"""Streams that are full, closed or of another encoding, and signals: exit code, files made, last line."""

import fcntl
import io
import os
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mapsr_cli.cli import report
from mapsr_cli.cli.app import main
from mapsr_cli.operators import make_kernel
from tests.pictures import lr_of, save, scene
from tests.signals import default_signals

SMALL = "--preset swissroll --steps 1 --device cpu --set data.workers=0 --log csv"
NAME = "猫 😀.png"
"""Outside cp1252."""


@dataclass(frozen=True)
class Command:
    words: str
    """MODEL stands for the tiny one."""
    writes: tuple[str, ...] = ()
    speaks: bool = True
    """Whether it has a result for standard output."""


COMMANDS = {
    "upscale": Command("upscale a.png b.png -m MODEL", ("a_x4.png", "b_x4.png")),
    "upscale --json": Command("upscale a.png b.png -m MODEL --json", ("a_x4.png", "b_x4.png")),
    "upscale --compare": Command("upscale a.png -m MODEL --compare", ("a_x4.png", "a_x4.html")),
    "upscale -o -": Command("upscale a.png -o - -m MODEL"),
    "verify": Command("verify lr.png hr.png --map map.png", ("map.png",)),
    "verify --json": Command("verify lr.png hr.png --json"),
    "project": Command("project lr.png hr.png -o fixed.png", ("fixed.png",)),
    "downscale": Command("downscale hr.png -o small.png", ("small.png",)),
    "fit-pinv": Command("fit-pinv --method exact --taps 3 -o b.safetensors", ("b.safetensors",)),
    "evaluate": Command("evaluate -m bicubic --data sets --csv table.csv", ("table.csv",)),
    "models list": Command("models list"),
    "models show": Command("models show MODEL"),
    "models verify": Command("models verify MODEL"),
    "train": Command(f"train affmse {SMALL} --out run", ("run/weights.safetensors",)),
    "help": Command("--help"),
}
Run = Callable[[str, Any, Any], tuple[int, list[str], list[str]]]
"""(words, stdout, stderr) → (exit code, lines of stdout, lines of stderr)."""


def full() -> Any:
    return Path("/dev/full").open("w")


def cp1252() -> Any:
    return io.TextIOWrapper(io.BytesIO(), encoding="cp1252", line_buffering=True)


def closed_pipe() -> Any:
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def nothing() -> None:
    return None


def buffer() -> Any:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", line_buffering=True)


CASES: dict[str, tuple[Callable[[], Any], Callable[[], Any], bool, str]] = {
    # standard output, standard error, whether the result is lost, the last line of standard error
    "stdout on a full disk": (full, buffer, True, "No space left on device"),
    "stdout closed": (nothing, buffer, True, "Bad file descriptor"),
    "stdout a pipe without a reader": (closed_pipe, buffer, True, ""),
    "stdout in cp1252": (cp1252, buffer, False, ""),
    "stderr on a full disk": (buffer, full, False, ""),
    "stderr closed": (buffer, nothing, False, ""),
    "all closed": (nothing, nothing, True, ""),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    large = scene(32, 32)
    save(large, tmp_path / "hr.png")
    save(lr_of(large, make_kernel("bicubic", 4)), tmp_path / "lr.png")
    for name in ("a.png", "b.png", NAME):
        save(scene(9, 8), tmp_path / name)
    (tmp_path / "sets").mkdir()
    save(large, tmp_path / "sets" / "one.png")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> Iterator[Run]:
    report.stderr.cache_clear()

    def call(words: str, stdout: Any, stderr: Any) -> tuple[int, list[str], list[str]]:
        written: list[list[str]] = []
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", stdout)
            patch.setattr(sys, "stderr", stderr)
            patch.setattr(sys, "stdin", None)
            patch.setattr(sys, "argv", ["mapsr", *words.replace("MODEL", str(tiny_model)).split()])
            code: Any = 0
            try:
                main()
            except SystemExit as end:
                code = end.code
            finally:
                sys.stdin.close()
                for stream in (sys.stdout, sys.stderr):
                    try:
                        stream.flush()  # as Python does at its end, which would be with code 120
                    finally:
                        data = getattr(stream.buffer, "getvalue", bytes)()
                        written.append(data.decode(stream.encoding, "replace").splitlines())
                        stream.close()
        return int(code or 0), written[0], written[1]

    yield call
    report.stderr.cache_clear()


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", COMMANDS)
def test_streams(name: str, case: str, folder: Path, run: Run) -> None:
    command = COMMANDS[name]
    make_stdout, make_stderr, lost, last = CASES[case]
    code, _, said = run(command.words, make_stdout(), make_stderr())
    assert code == (1 if lost else 0)
    for path in command.writes:
        assert (folder / path).stat().st_size > 0
    assert not any("Traceback" in line for line in said)
    assert any(last in line for line in said) or not last, said


def test_names_that_the_encoding_lacks(folder: Path, run: Run) -> None:
    code, lines, _ = run(f"upscale {NAME.replace(' ', '?')} b.png -m MODEL", cp1252(), buffer())
    assert code == 0
    assert [line.split("  ")[0] for line in lines] == ["\\u732b \\U0001f600_x4.png", "b_x4.png"]
    assert (folder / f"{Path(NAME).stem}_x4.png").is_file()


def test_a_closed_standard_input(folder: Path, run: Run) -> None:
    code, _, said = run("upscale - -o out.png -m MODEL", buffer(), buffer())
    assert code == 1
    assert said[0].startswith("error: standard input")


@pytest.mark.parametrize("kind", ["standard input", "FIFO"])
def test_interrupted_while_it_waits_for_a_pipe(kind: str, folder: Path, tiny_model: Path) -> None:
    os.mkfifo(folder / "pipe.png")
    source = "-" if kind == "standard input" else "pipe.png"
    command = [sys.executable, "-m", "mapsr_cli", "upscale", source, "-o", "out.png", "-m", str(tiny_model)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=default_signals
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        try:
            pipe = process.stdin.fileno() if source == "-" else opened(folder / "pipe.png")
            os.write(pipe, b"x")
            wait_until(lambda: waiting_bytes(pipe) == 0)  # somebody has read it, and waits for more
            process.send_signal(signal.SIGINT)
            assert process.wait(5) == 130
        finally:
            process.kill()
        assert process.stderr.read() == b""
    if source != "-":
        os.close(pipe)
    assert not (folder / "out.png").exists()


def opened(fifo: Path) -> int:
    """Open a FIFO for writing once somebody reads from it."""

    def try_to_open() -> bool:
        try:
            handles.append(os.open(fifo, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return False
        return True

    handles: list[int] = []
    wait_until(try_to_open)
    return handles[0]


def waiting_bytes(pipe: int) -> int:
    return int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, bytes(4)), sys.byteorder)


def wait_until(holds: Callable[[], bool]) -> None:
    for _ in range(1200):
        if holds():
            return
        time.sleep(0.05)
    pytest.fail("it never waited")


@pytest.mark.slow
def test_closed_for_real(folder: Path, tiny_model: Path) -> None:
    """The shell's `>&-`, and what Python does as it ends."""
    shell = f"{sys.executable} -m mapsr_cli upscale a.png b.png -m {tiny_model} --overwrite"
    for redirection, code in ((">&- 2>&- <&-", 1), (">/dev/full 2>/dev/full", 1)):
        done = subprocess.run(f"{shell} {redirection}", shell=True, capture_output=True, check=False)
        assert (done.returncode, b"Traceback" in done.stderr, b"Exception" in done.stderr) == (code, False, False)
        assert (folder / "b_x4.png").stat().st_size > 0
