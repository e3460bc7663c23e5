"""The device, the precision and the processes that a run computes with."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator

from mapsr_cli.errors import UsageError
from mapsr_cli.inference.devices import choose_device, choose_dtype
from mapsr_cli.training.loop import Interrupted

FAREWELL = 1.0
"""Seconds for other threads to release tensors before the group ends; on an idle processor they need microseconds."""
MIXED_PRECISION = {torch.float32: "no", torch.bfloat16: "bf16", torch.float16: "fp16"}
"""As accelerate names the types."""


def make_accelerator(device: str, precision: str) -> Accelerator:
    """Set up device, processes and mixed precision; what `accelerate launch` was given takes the place of `auto`.

    Raises UsageError as `choose_device` and `choose_dtype` do, and for RANK or WORLD_SIZE that are no numbers.
    """
    _check_environment()
    place = choose_device(device)
    launched = os.environ.get("ACCELERATE_MIXED_PRECISION") if precision == "auto" else None
    if device != "auto":
        os.environ["ACCELERATE_TORCH_DEVICE"] = place
    mixed = launched or MIXED_PRECISION[choose_dtype(precision, place)]
    return Accelerator(cpu=device == "cpu", mixed_precision=mixed)


def _check_environment() -> None:
    """Remove variables that are empty, as accelerate reads them as numbers. Raises UsageError for what is none."""
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_PORT"):
        value = os.environ.get(name)
        if value == "":
            del os.environ[name]
        elif value is not None and not value.isdecimal():
            raise UsageError(f"{name}={value[:80]} is no number", "`unset` it, or start with `accelerate launch`")


@contextmanager
def joined(accelerator: Accelerator) -> Iterator[None]:
    """Leave the group of processes at the end, or when a signal interrupts the run: all processes do it together."""
    try:
        yield
    except Interrupted:
        leave(accelerator)
        raise
    leave(accelerator)


def leave(accelerator: Accelerator) -> None:
    """Take down what joins the processes, in all of them, before this one ends.

    gloo's threads need Python's lock to let go of the tensors that were sent last. A process that ends meanwhile is
    aborted (pytorch issue 190489), and one that takes the group down holds the lock while it waits for them. Nothing
    tells when they are done, so they get a moment in which nobody holds it.
    """
    if accelerator.num_processes > 1:
        accelerator.wait_for_everyone()
        time.sleep(FAREWELL)
        accelerator.end_training()
