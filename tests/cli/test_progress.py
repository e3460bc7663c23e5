"""What a person sees at a terminal while pictures are made."""

from pathlib import Path

import pytest

from mapsr_cli.cli.display import training_display
from mapsr_cli.cli.report import say
from mapsr_cli.training.loop import Status
from tests.cli.terminal import on_terminal, watch
from tests.pictures import save, scene


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for i, name in enumerate(("a.png", "b.png", "c.png")):
        save(scene(9, 8, seed=i), folder / name)
    return folder


def test_one_line_for_each_picture_above_one_bar_for_all(
    photos: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(photos)
    code, screen, seen = on_terminal(monkeypatch, "upscale", ".", "-m", tiny_model, columns=120)
    assert code == 0
    assert [line.split("  ")[0] for line in screen] == ["a_x4.png", "b_x4.png", "c_x4.png"]  # and no bar is left
    assert any(line.startswith(f"loading {str(tiny_model)[:20]}") for line in seen)
    bars = [line for line in seen if "network" in line and "%" in line]
    assert [bar.split(":")[0] for bar in bars if bar.split(":")[0]] == sorted(bar.split(":")[0] for bar in bars)
    assert {bar.split()[0] for bar in bars} <= {"1/3", "2/3", "3/3"}
    for bar in bars:  # the picture that is named is the one that is worked on
        assert bar.split()[1] == {"1/3": "a.png:", "2/3": "b.png:", "3/3": "c.png:"}[bar.split()[0]]


def test_results_go_where_they_are_sent(photos: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    listing = photos / "results.log"
    code, screen, _ = on_terminal(monkeypatch, "upscale", ".", "-m", tiny_model, stdout=listing)
    assert (code, screen) == (0, [])
    assert [line.split("  ")[0] for line in listing.read_text().splitlines()] == ["a_x4.png", "b_x4.png", "c_x4.png"]


def test_notes_and_errors_stand_above_the_bar(photos: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(photos)
    (photos / "b.png").write_bytes(b"not a picture")
    code, screen, _ = on_terminal(monkeypatch, "upscale", ".", "-m", tiny_model, columns=120)
    assert code == 1
    assert sorted(line.split()[0] for line in screen[:3]) == ["a_x4.png", "c_x4.png", "error:"], screen
    assert screen[3:] == ["1 of 3 files failed: b.png"]


def test_a_training_has_a_bar_and_its_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    def train() -> None:
        with training_display(opening="reading data") as show:
            show(Status(1240, 0.34, 60.0, 754.0, 12.3, 0.01, 1.0, 0, {"loss": 0.0123, "valid/psnr_y": 30.123}))
            say("above")

    _, screen, seen = watch(monkeypatch, train)
    assert screen == ["above"]
    assert seen.index("reading data") < next(i for i, line in enumerate(seen) if line.startswith("step 1,240  ━"))
    assert any(line.endswith("━  34%  left 12:34") for line in seen), seen
    assert "loss 0.012  last validation 30.123 dB" in seen
