"""The first stage of distillation: a teacher's estimates of patches, kept for the next run with the same settings.

The teacher estimates each patch in all orientations that augmentation and A allow, mostly eight; the mean of its
estimates, turned back, is better than any one (the self-ensemble of Lim et al., 2017), so that a network can learn from
itself. What is learnt is then nearer to what can be known from x than y is, and varies less. A patch is estimated once
and learnt from often.
"""

import time
from dataclasses import asdict
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from mapsr_cli.criteria.resolver import lr_patches
from mapsr_cli.errors import UsageError
from mapsr_cli.inference.backbone import READERS, load_backbone
from mapsr_cli.networks import Affine, Estimator
from mapsr_cli.operators import Kernel
from mapsr_cli.training.data import Orientation, open_data, orientations, write_lesson
from mapsr_cli.training.kept import kept_folder
from mapsr_cli.training.lock import locked
from mapsr_cli.training.loop import Interrupted, Status, Watch
from mapsr_cli.training.recipe import Recipe
from mapsr_cli.training.signals import stop_requests
from mapsr_cli.zoo import find_model, load_model
from mapsr_cli.zoo.cache import says_mapsr
from mapsr_cli.zoo.manifest import sha256_of


def ensemble(estimator: Estimator, x: Tensor, views: list[Orientation]) -> Tensor:
    """Average the estimates of x [N, C, h, w] in several orientations, turned back: [N, C, H, W]."""
    return torch.stack([_back(estimator(_seen(x, view)), view) for view in views]).mean(dim=0)


def _seen(x: Tensor, view: Orientation) -> Tensor:
    turns, mirrored = view
    turned = torch.rot90(x, turns, (-2, -1))
    return (turned.flip(-1) if mirrored else turned).contiguous()


def _back(y: Tensor, view: Orientation) -> Tensor:
    turns, mirrored = view
    return torch.rot90(y.flip(-1) if mirrored else y, -turns, (-2, -1))


def lessons(recipe: Recipe, runs: Path, accelerator: Accelerator, watch: Watch) -> Path | None:
    """Return the folder of the teacher's estimates of the recipe's patches, in `runs`/lessons; None without one.

    The folder's name holds a digest of all that decides what is in it, so the next run with the same finds it, and one
    that was stopped goes on. Raises Interrupted after a signal, UsageError for a teacher that does not fit.
    """
    teacher = recipe.teacher
    if teacher is None or teacher.weights is None:
        return None
    path, estimator = _teacher(teacher.weights, recipe["kernel"].make())
    estimator.to(accelerator.device)
    settings = asdict(recipe["kernel"]), recipe["data"].decisive(), teacher.patches
    place = accelerator.num_processes, str(Path(recipe.location).absolute())
    folder = kept_folder(runs / "lessons", path.stem, sha256_of(path), *settings, *place)
    with locked(folder, accelerator.is_main_process):
        _teach(estimator, recipe, folder, accelerator, watch)
    accelerator.wait_for_everyone()
    return folder


def _teacher(name: str, kernel: Kernel) -> tuple[Path, Estimator]:
    """Load a teacher's network under the projection, whatever it was trained with: then A of an estimate is x.

    It is one of mapsr's, or a file of another tool's network. Raises UsageError for one that does not fit.
    """
    path = Path(name)
    if path.suffix.lower() in READERS and path.is_file() and not says_mapsr(path):
        other = load_backbone(path)
        if other.kernel.scale != kernel.scale:
            raise UsageError(f"{path.name} upscales ×{other.kernel.scale}, not this run's ×{kernel.scale}")
        return path, Estimator(OneByOne(other.network), Affine(kernel)).eval()
    path = find_model(name)
    model = load_model(path)
    if model.kernel != kernel:
        raise UsageError(
            f"{path.name} was trained for {model.kernel.describe()}, not for this run's {kernel.describe()}",
            "teacher.weights takes a model for the same A",
        )
    if model.noise_dim:
        raise UsageError(
            f"{path.name} gives another estimate each time", "teacher.weights takes one without noise maps"
        )
    return path, Estimator(model.network.to(memory_format=torch.channels_last), Affine(kernel)).eval()  # type: ignore[call-overload]


class OneByOne(nn.Module):
    """Another tool's network for batches, in float32: what it knows of half precision and of batches is not known."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        """Estimate each image: [N, C, h, w] → [N, C, H, W]."""
        with torch.autocast(x.device.type, enabled=False):
            return torch.cat([self.network(image) for image in torch.split(x.contiguous(), 1)])


def _teach(estimator: Estimator, recipe: Recipe, folder: Path, accelerator: Accelerator, watch: Watch) -> None:
    """Make this process's share of the lessons, from the first that is missing."""
    config, rank = recipe["data"], accelerator.process_index
    paths = [folder / f"{k:06d}-{rank:03d}.safetensors" for k in range(-(-recipe["teacher"].patches // config.batch))]
    first = next((k for k, path in enumerate(paths) if not path.exists()), len(paths))
    if first == len(paths):
        return
    views, began = orientations(config, estimator.kernel), time.perf_counter()
    data = open_data(recipe.location, config, rank, accelerator.num_processes)
    try:
        with stop_requests() as request, torch.no_grad():
            for k, patches in zip(range(first, len(paths)), data.batches(first), strict=False):
                if patches.y.is_floating_point():
                    raise UsageError("a teacher is for images, not for points", "leave teacher.weights out")
                x = lr_patches(patches.to(accelerator.device).y, estimator.constraint, recipe["kernel"].rounded)
                with accelerator.autocast():
                    write_lesson(paths[k], patches.y, ensemble(estimator, x, views).cpu())
                watch(_status(k + 1, len(paths), first, len(patches), time.perf_counter() - began))
                if request.signal:
                    raise Interrupted(request.signal, folder, k + 1)
    finally:
        data.close()


def _status(done: int, count: int, first: int, rows: int, seconds: float) -> Status:
    pace = (done - first) / seconds
    return Status(
        step=done,
        progress=done / count,
        seconds=seconds,
        left=(count - done) / pace,
        images_per_second=rows * pace,
        waiting=0.0,
        rate=1.0,
        skipped=0,
        values={},
    )
