"""One training run: its learner, engine and averaged weights, and the folder from which it resumes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from mapsr_cli.criteria.base import Learner, Scalars
from mapsr_cli.errors import CheckpointError, UsageError
from mapsr_cli.files import keep_copy, make_folder
from mapsr_cli.training.checkpoint import load_state, save_state
from mapsr_cli.training.config import LoopConfig, merit
from mapsr_cli.training.data import Data
from mapsr_cli.training.engine import REMEDY, DivergenceError, Engine

CHECKPOINT, PREVIOUS = "checkpoint.safetensors", "checkpoint.previous.safetensors"


def _averaging(decay: float) -> Any:
    """Make a moving average whose memory grows from ten steps to 1/(1 − decay), to forget the start soon."""

    def update(averaged: Sequence[Tensor], current: Sequence[Tensor], count: Tensor | int) -> None:
        share = min(decay, (1 + float(count)) / (10 + float(count)))
        torch._foreach_lerp_(list(averaged), list(current), 1 - share)

    return update


class Run:
    """The state of a run: `advance` trains it for one step, `save` and `resume` write and read its checkpoint."""

    def __init__(self, folder: Path, learner: Learner, engine: Engine, config: LoopConfig) -> None:
        if config.steps is None and config.minutes is None:
            raise UsageError("a run needs a length", "give --steps or --minutes")
        self.folder, self.learner, self.engine, self.config = folder, learner, engine, config
        self.step, self.seconds = 0, 0.0
        self.figures: Mapping[str, float] = {}
        """The last validation's, by name."""
        self.best: tuple[int, float] | None = None
        """Step and figure of the best validation so far, by the measure `config.best`."""
        self.since_best = 0
        """Validations since then."""
        self.stale = 0
        """The same, as all processes have agreed on it."""
        self.damage = ""
        """What is wrong with the last checkpoint, where the run went on from the one before it."""
        self.data: Data | None = None
        self._resumed_at = 0.0
        _, result = next(learner.players())
        self.average = AveragedModel(  # before the engine wraps it: a plain float32 module
            result.bare, device=engine.accelerator.device, multi_avg_fn=_averaging(config.average)
        ).requires_grad_(False)
        engine.attach(learner)
        make_folder(folder)

    @property
    def progress(self) -> float:
        """How much is done, 0 … 1; 1 where nothing has become better for as long as the run has patience."""
        return 1.0 if self.ended_early else self.config.progress(self.step, self.seconds)

    @property
    def ended_early(self) -> bool:
        """Whether the last `config.patience` validations were no better than the best before them."""
        return self.config.patience is not None and self.stale >= self.config.patience

    def judge(self, figures: Mapping[str, float]) -> bool:
        """Take a validation's figures; return whether they are the best so far. Without the measure, none is."""
        self.figures, measure = figures, self.config.best
        if measure not in figures:
            return False
        better = self.best is None or merit(measure, figures[measure]) > merit(measure, self.best[1])
        if better:
            self.best = self.step, figures[measure]
        self.since_best = 0 if better else self.since_best + 1
        return better

    @property
    def images_per_second(self) -> float:
        """HR patches drawn over all processes, per second since the run was opened."""
        images: int = self.engine.images * self.engine.accelerator.num_processes
        return images / max(self.seconds - self._resumed_at, 1e-9)

    @property
    def result(self) -> nn.Module:
        """The averaged network, in eval mode: what is validated and saved."""
        module: nn.Module = self.average.module
        return module.eval()

    def feed(self, data: Data) -> None:
        """Draw from `data`, from the first batch that the run has not used yet; `close` closes it."""
        self.data = data
        self.engine.feed(data.batches(self.engine.drawn))

    def close(self) -> None:
        """Stop the threads that read data."""
        if self.data is not None:
            self.data.close()

    def advance(self) -> Scalars:
        """Train for one step, and move the average."""
        self.engine.begin(self.step, self.progress)
        report = self.learner.step(self.engine)
        self.step += 1
        _, result = next(self.learner.players())
        self.average.update_parameters(result.bare)
        return report

    def save(self) -> None:
        """Write the checkpoint, and keep the one before it (main process only).

        Raises DivergenceError, and writes nothing, where weights are not finite; FileError where writing fails.
        """
        if not self.engine.accelerator.is_main_process:
            return
        self.check_finite()
        players = {
            name: {"network": player.bare.state_dict(), "optimiser": player.optimiser.state_dict()}
            for name, player in self.learner.players()
        }
        scaler = self.engine.accelerator.scaler
        state = {
            "step": self.step,
            "seconds": self.seconds,
            "drawn": self.engine.drawn,
            "skipped": self.engine.skipped,
            "best": list(self.best or ()),
            "since_best": self.since_best,
            "players": players,
            "average": self.average.state_dict(),
            "learner": self.learner.state(),
            "scaler": scaler.state_dict() if scaler is not None else {},
        }
        path = self.folder / CHECKPOINT
        if path.exists() and not self.damage:
            keep_copy(path, self.folder / PREVIOUS)
        save_state(path, state)
        self.damage = ""

    def check_finite(self) -> None:
        """Raise DivergenceError where a weight or an average is not finite."""
        modules = [self.average, *(player.bare for _, player in self.learner.players())]
        tensors = (tensor for module in modules for tensor in module.state_dict().values())
        if not all(bool(tensor.isfinite().all()) for tensor in tensors):
            raise DivergenceError(f"weights are not finite at step {self.step}", REMEDY)

    def resume(self) -> bool:
        """Go on from the folder's checkpoint, or from the one before it where that is damaged (`damage` says how).

        Returns False if there is none. Raises CheckpointError where none is whole, or it is of other networks.
        """
        errors: list[CheckpointError] = []
        paths = checkpoints(self.folder)
        for path in paths:
            try:
                self._restore(load_state(path), path)
            except CheckpointError as error:
                errors.append(error)
            else:
                self.damage = str(errors[0]) if errors else ""
                return True
        if errors:
            raise errors[0]
        return False

    def _restore(self, state: dict[str, Any], path: Path) -> None:
        try:
            for name, player in self.learner.players():
                player.bare.load_state_dict(state["players"][name]["network"])
                player.optimiser.load_state_dict(state["players"][name]["optimiser"])
            self.average.load_state_dict(state["average"])
            self.learner.load_state(state["learner"])
            self.step, self.seconds = state["step"], state["seconds"]
            self.engine.drawn, self.engine.skipped = state["drawn"], state["skipped"]
            self.best = (int(state["best"][0]), float(state["best"][1])) if state.get("best") else None
            self.stale = self.since_best = state.get("since_best", 0)  # not in the checkpoints of older versions
            if self.engine.accelerator.scaler is not None and state["scaler"]:  # none, if it began in another precision
                self.engine.accelerator.scaler.load_state_dict(state["scaler"])
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            reason = shorten(str(error).splitlines()[-1].strip(), 200)
            raise CheckpointError(
                f"{path}: does not fit this run's networks ({reason})",
                "resume with the settings that the run was started with",
            ) from error
        self._resumed_at = self.seconds


def checkpoints(folder: Path) -> list[Path]:
    """List the checkpoints in a run's folder, the last one first."""
    return [path for path in (folder / CHECKPOINT, folder / PREVIOUS) if path.exists()]
