"""What the projection costs. `python benchmarks/projection.py`."""

import time
from collections.abc import Callable
from statistics import median

import torch

from mapsr_cli.inference.level_upscaler import LevelUpscaler
from mapsr_cli.operators import downsampling, make_kernel
from mapsr_cli.operators.axis import make_axis
from mapsr_cli.zoo import DEFAULT_MODEL, find_model, load_model


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Time `repeats` runs after one to warm up; return the median in seconds."""
    work()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return median(times)


def set_up(name: str, scale: int) -> None:
    make_axis.cache_clear()
    downsampling(make_kernel(name, scale), (2160, 3840))


def main() -> None:
    torch.set_flush_denormal(True)
    torch.manual_seed(0)
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads")
    for name, scale in (("bicubic", 4), ("bicubic", 2), ("gaussian9", 4), ("gaussian9", 2), ("lanczos3", 4)):
        print(f"set-up of A for 3840×2160, {name} ×{scale}: {seconds(lambda: set_up(name, scale), 3):.4f} s")  # noqa: B023
    upscaler = LevelUpscaler(load_model(find_model(DEFAULT_MODEL)))
    with torch.inference_mode():
        x = torch.rand(3, 512, 512)
        f = upscaler.estimate(x)
        op = upscaler.operator(512, 512)
        network = seconds(lambda: upscaler.estimate(x), 3)
        projection = seconds(lambda: op.project(f, x), 9)
        share = projection / network
        print(f"512×512 → 2048×2048: network {network:.3f} s, projection {projection:.4f} s, {share:.1%} of it")
        for name, scale, size in (
            ("bicubic", 2, (1080, 1920)),
            ("bicubic", 4, (540, 960)),
            ("gaussian9", 4, (540, 960)),
        ):
            op = downsampling(make_kernel(name, scale), (2160, 3840))
            x, f = torch.rand(3, *size), torch.rand(3, 2160, 3840)
            mse = (op.down(op.project(f, x)).double() - x.double()).square().mean().item()
            print(f"MSE(x, Aŷ), float32, {size[1]}×{size[0]} → 3840×2160, {name} ×{scale}: {mse:.2e}")


if __name__ == "__main__":
    main()
