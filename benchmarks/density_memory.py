"""Peak memory of a training step of PixelCNN + MCGSM, in its own process. `python benchmarks/density_memory.py`."""

import resource
import subprocess
import sys
import time

BATCH, SIDE = 16, 64
LIMIT = 4.0
"""GiB."""


def peak() -> float:
    """Return the largest resident size of this process so far, in GiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def step() -> None:
    """Compute one loss with gradients for weights and images, as density and generator training need them."""
    import torch

    from mapsr_cli.networks import PRESETS, build

    torch.manual_seed(0)
    density = build(PRESETS["grass"].density)
    y = torch.rand(BATCH, 3, SIDE, SIDE, requires_grad=True)
    before, began = peak(), time.perf_counter()
    torch.autograd.backward(-density.log_prob(y).mean())
    took = time.perf_counter() - began
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {BATCH} × 3 × {SIDE} × {SIDE}, float32")
    print(f"forward and backward: {took:.1f} s, peak {peak():.2f} GiB, of which {before:.2f} before the step")


def main() -> None:
    if "--here" in sys.argv:
        step()
        if peak() >= LIMIT:
            sys.exit(f"over {LIMIT} GiB")
    else:
        sys.exit(subprocess.run([sys.executable, __file__, "--here"]).returncode)


if __name__ == "__main__":
    main()
