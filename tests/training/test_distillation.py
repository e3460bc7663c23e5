"""A teacher's lessons: made once, turned the right way round, and learnt."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from mapsr_cli.errors import CheckpointError, UsageError
from mapsr_cli.networks import Affine, Estimator
from mapsr_cli.operators import Kernel, make_kernel
from mapsr_cli.training.data import DataConfig, open_lessons, orientations
from mapsr_cli.training.distillation import ensemble, lessons
from mapsr_cli.training.loop import Interrupted, Status
from mapsr_cli.training.recipe import Recipe, make_recipe
from mapsr_cli.training.settings import SectionValues
from mapsr_cli.zoo import Card, describe_kernel, load_model, save_model
from tests.inference import strangers
from tests.psfs import comet_kernel

KERNEL = make_kernel("bicubic", 4)


def recipe(weights: Path, location: str = "", **settings: dict[str, object]) -> Recipe:
    base: SectionValues = {
        "teacher": {"weights": str(weights), "patches": 10},
        "data": {"batch": 4, "patch": (16, 16), "workers": 0},
        "loop": {"steps": 2},
    }
    return make_recipe(
        "affmae", "compact", {name: {**base.get(name, {}), **settings.get(name, {})} for name in base}, location
    )


def made(wanted: Recipe, photos: Path, seen: list[Status] | None = None) -> Path:
    watch = (lambda status: None) if seen is None else seen.append
    folder = lessons(replace(wanted, location=str(photos)), photos.parent, Accelerator(cpu=True), watch)
    assert folder is not None
    return folder


def times(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in sorted(folder.iterdir())}


def estimator(path: Path, kernel: Kernel = KERNEL) -> Estimator:
    return Estimator(load_model(path).network, Affine(kernel))


@pytest.mark.parametrize("size", [(4, 4), (3, 5)])
def test_the_ensemble_turns_with_its_image(tiny_model: Path, size: tuple[int, int]) -> None:
    """e(g x) = g e(x) for every g, which no network of its own accord obeys; and A e(x) = x."""
    network, views = estimator(tiny_model), orientations(DataConfig(), KERNEL)
    x = torch.rand(2, 3, *size)

    def estimate(x: Tensor) -> Tensor:
        with torch.no_grad():
            return ensemble(network, x, views)

    for turn in (lambda t: torch.rot90(t, 1, (-2, -1)), lambda t: t.flip(-1), lambda t: t.transpose(-2, -1)):
        torch.testing.assert_close(estimate(turn(x)), turn(estimate(x)), atol=1e-5, rtol=0)
        assert (network(turn(x)) - turn(network(x))).abs().max() > 1e-3
    torch.testing.assert_close(network.constraint.down(estimate(x)), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize("kernel", [make_kernel("gaussian9", 4), make_kernel("box", 4), comet_kernel(4)])
def test_an_ensemble_agrees_with_its_image_whatever_a_is(tiny_model: Path, kernel: Kernel) -> None:
    """An A that lies off centre is another in a mirror: an estimate made there is not one of x."""
    network, x = estimator(tiny_model, kernel), torch.rand(2, 3, 6, 6)
    with torch.no_grad():
        estimate = ensemble(network, x, orientations(DataConfig(), kernel))
    torch.testing.assert_close(network.constraint.down(estimate), x, atol=1e-5, rtol=0)


def test_lessons_fit_their_patches_in_any_orientation(tiny_model: Path, photos: Path) -> None:
    """A estimate = x = A y for each; and the estimates are the teacher's, which no y is."""
    wanted = recipe(tiny_model)
    folder = made(wanted, photos)
    network, views = estimator(tiny_model), orientations(wanted["data"], KERNEL)
    data = open_lessons(folder, 1.0, wanted["data"], KERNEL)
    drawn = [batch for batch, _ in zip(data.batches(), range(4), strict=False)]
    again = next(open_lessons(folder, 1.0, wanted["data"], KERNEL).batches(2))
    data.close()
    for batch in drawn:
        y, estimate = batch.y, batch.target
        assert (y.shape, y.dtype, estimate.dtype) == ((4, 3, 16, 16), torch.float32, torch.float32)
        x = network.constraint.down(y)
        torch.testing.assert_close(network.constraint.down(estimate), x, atol=1e-3, rtol=0)
        with torch.no_grad():
            torch.testing.assert_close(ensemble(network, x, views), estimate, atol=1e-3, rtol=0)
        assert (y - estimate).abs().max() > 0.02
    assert torch.equal(again.target, drawn[2].target)
    quarter = next(open_lessons(folder, 0.25, wanted["data"], KERNEL).batches(2))
    torch.testing.assert_close(quarter.target, 0.75 * drawn[2].y + 0.25 * drawn[2].target)
    assert len({patch.numpy().tobytes() for batch in drawn for patch in batch.y}) > 8


def test_they_are_made_once_and_a_stopped_stage_goes_on(tiny_model: Path, photos: Path) -> None:
    wanted, seen = recipe(tiny_model), list[Status]()
    with pytest.raises(Interrupted):
        lessons(
            replace(wanted, location=str(photos)),
            photos.parent,
            Accelerator(cpu=True),
            lambda _: os.kill(os.getpid(), signal.SIGINT),
        )
    (folder,) = (photos.parent / "lessons").iterdir()
    first = times(folder)
    assert len(first) == 1
    assert made(wanted, photos, seen) == folder
    whole = times(folder)
    assert (len(whole), whole.keys() >= first.keys()) == (3, True)  # ten patches in batches of four
    assert [(status.step, status.progress) for status in seen] == [(2, 2 / 3), (3, 1.0)]
    assert made(wanted, photos) == folder
    assert made(recipe(tiny_model, data={"workers": 2, "cache_mb": 1}), photos) == folder
    assert times(folder) == whole
    assert made(recipe(tiny_model, data={"shrink": 2.0}), photos) != folder


def test_a_damaged_lesson_is_told(tiny_model: Path, photos: Path) -> None:
    wanted = recipe(tiny_model)
    folder = made(wanted, photos)
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(CheckpointError, match="damaged"):
        open_lessons(folder, 1.0, wanted["data"], KERNEL)


def test_teachers_that_do_not_fit(tiny_model: Path, stochastic_model: Path, tiny_card: Card, photos: Path) -> None:
    with pytest.raises(UsageError, match="another estimate each time"):
        made(recipe(stochastic_model), photos)
    other = photos.parent / "other.safetensors"
    save_model(
        other, load_model(tiny_model).network, replace(tiny_card, kernel=describe_kernel(make_kernel("lanczos3", 4)))
    )
    with pytest.raises(UsageError, match="not for this run's bicubic"):
        made(recipe(other), photos)


def test_another_tools_network_teaches(
    tiny_model: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `--backbone` takes it; the projection makes its estimates agree with x."""
    strangers.install(monkeypatch)
    weights = strangers.save_weights(tmp_path / "4x_nearest.safetensors")
    wanted = recipe(weights)
    folder = made(wanted, photos)
    data = open_lessons(folder, 1.0, wanted["data"], KERNEL)
    batch = next(data.batches())
    data.close()
    down = Affine(KERNEL).down
    torch.testing.assert_close(down(batch.target), down(batch.y), atol=1e-3, rtol=0)
    assert (batch.target - batch.y).abs().max() > 0.02
    wider = make_recipe("affmae", "compact", {**wanted.settings, "kernel": {"scale": 2}}, str(photos))
    with pytest.raises(UsageError, match="upscales ×4, not this run's ×2"):
        lessons(wider, photos.parent, Accelerator(cpu=True), lambda status: None)


def test_one_teacher_is_enough(tiny_model: Path) -> None:
    with pytest.raises(UsageError, match="exclude each other"):
        recipe(tiny_model, teacher={"estimates": "folder"})


@pytest.mark.parametrize("settings", [{"share": 0.0}, {"share": 1.5}, {"patches": 0}])
def test_settings_that_make_no_sense(tiny_model: Path, settings: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="a teacher"):
        recipe(tiny_model, teacher=settings)


def test_only_pairs_can_be_taught() -> None:
    with pytest.raises(UsageError, match="no settings 'teacher'"):
        make_recipe("affgan", "compact", {"teacher": {"weights": "anything"}})


def test_points_cannot_be_taught(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="not for points"):
        lessons(recipe(tiny_model, "swissroll:"), tmp_path, Accelerator(cpu=True), lambda status: None)
