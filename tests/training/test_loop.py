"""The loop: exact resume, averages, accumulation, lost steps, signals."""

import csv
import errno
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from mapsr_cli import files
from mapsr_cli.criteria.base import Patches, Player
from mapsr_cli.errors import CheckpointError, DiskFullError, UsageError
from mapsr_cli.training.config import LoopConfig
from mapsr_cli.training.engine import LOST_IN_A_ROW, DivergenceError
from mapsr_cli.training.journal import CsvJournal, TensorBoardJournal, read_metrics
from mapsr_cli.training.loop import Status, Tasks, train
from mapsr_cli.training.run import CHECKPOINT, PREVIOUS, Run
from tests.signals import default_signals
from tests.training.learners import Fit, engine, run, stream

TEN = LoopConfig(steps=10, warmup=2, log_steps=5)


def weights(finished: Run) -> list[torch.Tensor]:
    return [*finished.learner.player.bare.parameters(), *finished.result.parameters()]  # type: ignore[attr-defined]


def flat(learner: Fit) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in learner.player.bare.parameters()])


def test_it_learns(tmp_path: Path) -> None:
    statuses: list[Status] = []
    train(run(tmp_path, LoopConfig(steps=300, warmup=2, log_steps=20)), Tasks(watch=statuses.append))
    losses = [status.values["loss"] for status in statuses]
    assert losses[-1] < losses[0] / 20
    assert statuses[-1].progress == 1.0
    assert statuses[-1].images_per_second > 0


def test_waiting_for_data_is_told(tmp_path: Path) -> None:
    def slow(stream: Iterator[Patches]) -> Iterator[Patches]:
        for batch in stream:
            time.sleep(0.05)
            yield batch

    statuses: list[Status] = []
    waiting = run(tmp_path, LoopConfig(steps=10, log_steps=10))
    waiting.engine.feed(slow(waiting.engine._stream))
    train(waiting, Tasks(watch=statuses.append))
    assert 0.1 <= statuses[0].waiting < 1


@pytest.mark.parametrize("stop", [1, 4, 9])
def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path, stop: int) -> None:
    whole = run(tmp_path / "whole", TEN)
    train(whole, Tasks())
    first = run(tmp_path / "parts", TEN)
    for _ in range(stop):
        first.advance()
    first.save()
    first.advance()  # lost, as by a kill between checkpoints
    second = run(tmp_path / "parts", TEN)
    assert second.step == stop
    train(second, Tasks())
    for a, b in zip(weights(whole), weights(second), strict=True):
        assert torch.equal(a, b)


def test_accumulated_parts_equal_the_whole_batch(tmp_path: Path) -> None:
    class Still(Fit):
        def step(self, stage):  # type: ignore[no-untyped-def]
            def loss():  # type: ignore[no-untyped-def]
                y = stage.draw().y
                value = (self.player.network(y) - 2 * y).square().mean()
                return value, {"loss": value.detach()}

            return stage.update(self.player, loss)

    one = run(tmp_path / "one", TEN, Still(), batch=4)
    two = run(tmp_path / "two", LoopConfig(steps=10, warmup=2, accumulate=2), Still(), batch=2)
    halves = [half for batch in (next(one.engine._stream).y for _ in range(10)) for half in torch.split(batch, 2)]
    one.engine.feed(Patches(torch.cat(halves[2 * k : 2 * k + 2])) for k in range(10))
    two.engine.feed(map(Patches, halves))
    train(one, Tasks())
    train(two, Tasks())
    for a, b in zip(weights(one), weights(two), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_the_average_lags_behind_and_is_what_counts(tmp_path: Path) -> None:
    trained = run(tmp_path, TEN)
    train(trained, Tasks())
    raw, averaged = weights(trained)[0], weights(trained)[2]
    assert not torch.equal(raw, averaged)
    assert not averaged.requires_grad
    assert not trained.result.training


def test_a_lost_step_is_counted_and_moves_nothing(tmp_path: Path) -> None:
    learner = Fit()
    learner.poison = {0, 2}
    trained = run(tmp_path, TEN, learner)
    before = [p.clone() for p in learner.player.bare.parameters()]
    trained.advance()
    assert all(torch.equal(a, b) for a, b in zip(before, learner.player.bare.parameters(), strict=True))
    train(trained, Tasks())
    assert trained.engine.skipped == 2
    assert all(p.isfinite().all() for p in weights(trained))


def test_ten_lost_steps_in_a_row_end_the_run(tmp_path: Path) -> None:
    learner = Fit()
    learner.poison = set(range(5, 100))
    with pytest.raises(DivergenceError, match="not finite 10 times in a row"):
        train(run(tmp_path, LoopConfig(steps=100), learner), Tasks())
    assert learner.steps == 5 + LOST_IN_A_ROW - 1


def test_gradients_are_clipped(tmp_path: Path) -> None:
    learner = Fit()
    learner.player.optimiser = torch.optim.SGD(learner.player.bare.parameters(), 1.0)
    trained = run(tmp_path, LoopConfig(steps=10, warmup=0, clip=1e-3), learner)
    before = flat(learner)
    trained.advance()
    after = flat(learner)
    assert (after - before).norm().item() == pytest.approx(1e-3, rel=1e-3)


@pytest.mark.parametrize(("steady", "rates"), [(False, [0.025, 0.05, 0.025]), (True, [0.025, 0.05, 0.05])])
def test_a_steady_player_keeps_its_rate_after_the_warm_up(tmp_path: Path, steady: bool, rates: list[float]) -> None:
    """Peak 0.05; step 0 of two of warm-up, then half of a cosine to zero."""
    learner = Fit()
    learner.player.steady = steady
    made = run(tmp_path, LoopConfig(steps=100, warmup=2, final_rate=0.0), learner)
    for (step, progress), rate in zip([(0, 0.0), (1, 0.0), (50, 0.5)], rates, strict=True):
        made.engine.begin(step, progress)
        made.engine.feed(stream())
        learner.step(made.engine)
        assert learner.player.optimiser.param_groups[0]["lr"] == pytest.approx(rate)


def test_gradients_are_clipped_under_a_scaler_and_overflows_left_out(tmp_path: Path) -> None:
    """As with float16, whose gradients are multiplied before they are clipped."""
    learner = Fit()
    learner.player.optimiser = torch.optim.SGD(learner.player.bare.parameters(), 1.0)
    learner.poison = {1, 2}
    config = LoopConfig(steps=10, warmup=0, final_rate=1.0, clip=1e-3)
    lent = engine(config)
    lent.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    lent.accelerator.native_amp, lent.accelerator.state._mixed_precision = True, "fp16"
    made = Run(tmp_path, learner, lent, config)
    lent.feed(stream())
    moved = []
    for _ in range(4):
        before = flat(learner)
        made.advance()
        moved.append((flat(learner) - before).norm().item())
    assert moved == pytest.approx([1e-3, 0, 0, 1e-3], rel=1e-3)
    assert lent.skipped == 2
    assert lent.accelerator.scaler.get_scale() == 256


def test_a_run_may_go_on_in_float16(tmp_path: Path) -> None:
    """It has no scaler's state to take over."""
    train(run(tmp_path, TEN), Tasks())
    lent = engine(TEN)
    lent.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    made = Run(tmp_path, Fit(), lent, TEN)
    assert made.resume()
    assert made.step == 10


def test_a_run_needs_a_length(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="needs a length"):
        run(tmp_path, LoopConfig())


@pytest.mark.parametrize(
    "wrong",
    [{"steps": 0}, {"steps": -1}, {"minutes": 0.0}, {"minutes": float("inf")}, {"log_steps": 0}, {"accumulate": 0}],
)
def test_lengths_without_an_end_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        LoopConfig(**wrong)  # type: ignore[arg-type]


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / CHECKPOINT).write_bytes(b"not safetensors")
    with pytest.raises(CheckpointError, match="not the checkpoint of a run"):
        run(tmp_path, TEN)


def spoil(path: Path) -> None:
    """Flip a bit in the middle of a file."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)


def test_a_damaged_checkpoint_gives_way_to_the_one_before_it(tmp_path: Path) -> None:
    whole = run(tmp_path / "whole", TEN)
    train(whole, Tasks())
    first = run(tmp_path / "parts", TEN)
    for _ in range(3):
        first.advance()
        first.save()
    spoil(tmp_path / "parts" / CHECKPOINT)
    second = run(tmp_path / "parts", TEN)
    assert second.step == 2
    assert CHECKPOINT in second.damage
    second.save()  # the whole one is not replaced by the damaged one
    assert run(tmp_path / "parts", TEN).step == 2
    spoil(tmp_path / "parts" / CHECKPOINT)
    third = run(tmp_path / "parts", TEN)
    assert third.step == 2
    train(third, Tasks())
    for a, b in zip(weights(whole), weights(third), strict=True):
        assert torch.equal(a, b)


def test_two_damaged_checkpoints_end_it(tmp_path: Path) -> None:
    first = run(tmp_path, TEN)
    for _ in range(2):
        first.advance()
        first.save()
    for name in (CHECKPOINT, PREVIOUS):
        spoil(tmp_path / name)
    with pytest.raises(CheckpointError, match=CHECKPOINT):
        run(tmp_path, TEN)


def test_a_checkpoint_of_other_networks_is_refused(tmp_path: Path) -> None:
    train(run(tmp_path, TEN), Tasks())

    class Other(Fit):
        def players(self) -> Iterator[tuple[str, Player]]:
            yield "other", self.player

    with pytest.raises(CheckpointError, match="does not fit this run's networks"):
        run(tmp_path, TEN, Other())


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    """As batch normalisation's statistics are after one image that was not."""
    saved = run(tmp_path, TEN)
    saved.advance()
    saved.save()
    content = (tmp_path / CHECKPOINT).read_bytes()
    saved.advance()
    next(saved.result.parameters()).fill_(float("nan"))
    exports: list[int] = []
    with pytest.raises(DivergenceError, match="weights are not finite at step"):
        train(saved, Tasks(export=lambda made: exports.append(made.step)))
    assert not exports
    assert (tmp_path / CHECKPOINT).read_bytes() == content


def full(path: Path, data: bytes, overwrite: bool = True) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


def test_a_full_disk_keeps_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved = run(tmp_path, TEN)
    saved.advance()
    saved.save()
    monkeypatch.setattr(files, "_write_nameless", full)
    with pytest.raises(DiskFullError, match=r"checkpoint\.safetensors: No space left on device"):
        train(saved, Tasks())
    assert run(tmp_path, TEN).step == 1


def test_a_full_disk_ends_the_journal_in_one_line(tmp_path: Path) -> None:
    journal = CsvJournal(tmp_path, 0)
    journal._file.close()
    journal._file = Path("/dev/full").open("a", encoding="utf-8")  # noqa: SIM115
    journal._writer = csv.writer(journal._file)
    with pytest.raises(DiskFullError, match=r"metrics\.csv: No space left on device"):
        journal.write(1, {"loss": 0.5})
    journal.close()


def test_a_full_disk_ends_tensorboard_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its writer is another thread, whose traceback nobody wants to see."""
    journal = TensorBoardJournal(tmp_path, 0)

    def no_room(*args: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("tensorboard.summary.writer.record_writer.RecordWriter.write", no_room)
    with pytest.raises(DiskFullError, match="tensorboard: No space left on device"):  # noqa: PT012
        for step in range(1000):
            journal.write(step, {"loss": 0.5})
            time.sleep(0.001)
    journal.close()
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "content", [b"", b"\xff\xfe\x00", b"step,name,value\n\xc2\xb2,loss,1\n1,loss,0.5\n", b'"' * 200_000]
)
def test_damaged_metrics_do_not_end_a_run(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "metrics.csv").write_bytes(content)
    CsvJournal(tmp_path, 5).close()
    assert read_metrics(tmp_path) in ([], [(1, "loss", "0.5")])


def test_tasks_are_called_when_due(tmp_path: Path) -> None:
    kept: list[tuple[int, int]] = []
    pictures: list[Path] = []
    exports: list[int] = []
    trained = run(tmp_path, LoopConfig(steps=10, snapshots=3, validate_minutes=0, checkpoint_minutes=1e9))
    train(
        trained,
        Tasks(
            validate=lambda made: {"weight": next(made.result.parameters()).mean().item()},
            picture=lambda made, path: pictures.append(path),
            export=lambda made: exports.append(made.step),
            snapshot=lambda made, number: kept.append((number, made.step)),
        ),
    )
    assert kept == [(0, 4), (1, 7), (2, 10)]
    assert [path.name for path in pictures] == [f"{step:07d}.png" for step in range(1, 11)]
    assert exports == [10]
    assert trained.figures == {"weight": next(trained.result.parameters()).mean().item()}


def test_rows_after_the_checkpoint_are_dropped_on_resume(tmp_path: Path) -> None:
    journal = CsvJournal(tmp_path, 0)
    for step in (1, 2, 3):
        journal.write(step, {"loss": step / 10})
    journal.close()
    with (tmp_path / "metrics.csv").open("a") as file:
        file.write("4,lo")  # torn by a kill
    journal = CsvJournal(tmp_path, 2)
    journal.write(3, {"loss": 0.5})
    journal.close()
    assert read_metrics(tmp_path) == [(1, "loss", "0.1"), (2, "loss", "0.2"), (3, "loss", "0.5")]


SCRIPT = """
import sys
from pathlib import Path
from mapsr_cli.training.config import LoopConfig
from mapsr_cli.training.loop import Interrupted, Tasks, train
from tests.training.learners import run
trained = run(Path(sys.argv[1]), LoopConfig(minutes=5, checkpoint_minutes=1e9))
print("ready", flush=True)
try:
    train(trained, Tasks())
except Interrupted as stop:
    print("saved", trained.step, stop.signal)
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_saves_and_stops(tmp_path: Path, number: signal.Signals) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(tmp_path)], stdout=subprocess.PIPE, text=True, preexec_fn=default_signals
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(0.3)
    process.send_signal(number)
    said = process.communicate(timeout=60)[0].split()
    assert said[0] == "saved"
    assert int(said[2]) == number
    assert run(tmp_path, LoopConfig(minutes=5)).step == int(said[1])
