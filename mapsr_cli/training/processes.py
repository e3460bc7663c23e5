"""The device, the precision and the processes that a run computes with."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from accelerate import Accelerator

from mapsr_cli.errors import UsageError
from mapsr_cli.training.loop import Interrupted

FAREWELL = 1.0
"""Seconds; what has to be done in them takes microseconds on a processor that is free."""
PRECISIONS = {"auto": "no", "fp32": "no", "bf16": "bf16", "fp16": "fp16"}


def make_accelerator(device: str, precision: str) -> Accelerator:
    """Choose device, processes and mixed precision; `accelerate launch` decides what is left at `auto`.

    Raises UsageError for a device or precision that is not there.
    """
    if precision not in PRECISIONS:
        raise UsageError(f"unknown precision '{precision}'", f"known: {', '.join(PRECISIONS)}")
    kind = device.partition(":")[0]
    available = {"auto": True, "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available.get(kind, False):
        raise UsageError(f"no device '{device}' here", "known: auto, cpu, cuda, cuda:N, mps")
    if device != "auto":
        os.environ["ACCELERATE_TORCH_DEVICE"] = device
    mixed = os.environ.get("ACCELERATE_MIXED_PRECISION", "no") if precision == "auto" else PRECISIONS[precision]
    return Accelerator(cpu=kind == "cpu", mixed_precision=mixed)


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
