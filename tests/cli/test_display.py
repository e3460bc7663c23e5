"""What a training shows where there is no terminal."""

import pytest

from mapsr_cli.cli.display import training_display
from mapsr_cli.training.loop import Status


def status(step: int, seconds: float, progress: float) -> Status:
    return Status(step, progress, seconds, 60.0, 8.0, 0.0, 1.0, 0, {"loss": 0.25})


def test_a_line_a_minute_for_each_training(capsys: pytest.CaptureFixture[str]) -> None:
    with training_display() as show:
        for step, seconds in ((1, 1.0), (2, 30.0), (3, 62.0)):
            show(status(step, seconds, 0.5), "affgan")
        show(status(7, 2.0, 0.5), "affdg")  # another's clock does not silence it
        show(status(9, 63.0, 1.0), "affgan")
        show(status(1, 0.5, 0.1), "affgan")  # a second training by that name: after its prior, the row itself
        show(status(8, 1.0, 0.5))
    said = [" ".join(line.split()[:3]) for line in capsys.readouterr().err.splitlines()]
    steps = ["affgan step 1", "affgan step 3", "affdg step 7", "affgan step 9", "affgan step 1", "step 8 loss"]
    assert said == steps


def test_quiet_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with training_display(quiet=True) as show:
        show(status(1, 1.0, 1.0), "affgan")
    assert capsys.readouterr() == ("", "")
