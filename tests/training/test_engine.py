"""What the engine gives a learner: precision."""

from pathlib import Path

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, GradientState

from mapsr_cli.training.config import LoopConfig
from mapsr_cli.training.engine import Engine
from mapsr_cli.training.run import Run
from tests.training.learners import Fit, stream


def test_an_optimisers_products_are_of_the_runs_precision(tmp_path: Path) -> None:
    """Muon's take a third of a step in float32."""
    AcceleratorState._reset_state(True)
    GradientState._reset_state()
    learner = Fit()
    made = Engine(LoopConfig(steps=1), Accelerator(cpu=True, mixed_precision="bf16"))
    seen: list[torch.dtype] = []
    learner.player.optimiser.register_step_pre_hook(lambda *args: seen.append((torch.eye(2) @ torch.eye(2)).dtype))
    trained = Run(tmp_path, learner, made, LoopConfig(steps=1))
    made.feed(stream())
    try:
        trained.advance()
    finally:
        AcceleratorState._reset_state(True)  # of another precision than the next test's
    assert seen == [torch.bfloat16]
