from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mapsr_cli.errors import CheckpointError, ImageError, UsageError
from mapsr_cli.evaluation.candidates import SamplingCandidate, interpolate, make_candidates, minimum_norm
from mapsr_cli.evaluation.protocol import PROTOCOLS, make_pair
from mapsr_cli.operators import Kernel, downsampling, make_kernel, to_levels
from mapsr_cli.operators.kernels import cubic, lanczos3
from mapsr_cli.zoo import Card, describe_kernel, load_model, save_model
from tests.inference import strangers
from tests.pictures import lr_of, save, scene

BICUBIC = make_kernel("bicubic", 4)
HR = scene(64, 48)
LR = lr_of(HR, BICUBIC)


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize(("name", "profile", "radius"), [("bicubic", cubic, 2), ("lanczos3", lanczos3, 3)])
@pytest.mark.parametrize("size", [(1, 2), (5, 9)])
def test_interpolation_is_imresize(name: str, profile: object, radius: int, size: tuple[int, int], scale: int) -> None:
    """MATLAB's imresize(lr, scale) by its definition: the kernel around each HR pixel, rows summing to one."""
    assert callable(profile)

    def matrix(n: int) -> Tensor:
        m = torch.zeros(scale * n, n, dtype=torch.float64)
        for i in range(scale * n):
            centre = (i + 0.5) / scale - 0.5
            for j in range(int(centre // 1) - radius, int(centre // 1) + radius + 2):
                k = j % (2 * n)
                m[i, min(k, 2 * n - 1 - k)] += profile(j - centre)
        return m / m.sum(1, keepdim=True)

    lr = torch.rand(3, *size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    expected = matrix(size[0]) @ lr @ matrix(size[1]).T
    assert (interpolate(lr, make_kernel(name, scale)) - expected).abs().max() < 1e-10


def test_the_minimum_norm_estimate_is_consistent() -> None:
    y = minimum_norm(LR.double(), BICUBIC)
    assert (downsampling(BICUBIC, (64, 48), torch.float64).down(y) - LR).abs().max() < 1e-10


def test_baselines() -> None:
    kernel, candidates = make_candidates(["bicubic", "lanczos", "pinv"])
    assert kernel == BICUBIC
    found = {name: candidate(LR, "a") for name, candidate in candidates.items()}
    for estimate in found.values():
        assert estimate.levels.shape == HR.shape
        assert torch.equal(estimate.levels, estimate.levels.round().clamp(0, 255))
        assert estimate.seconds is not None
        assert estimate.seconds > 0
    assert found["pinv"].mse_float < 1e-13
    assert found["bicubic"].mse_float > 1e-5
    assert found["pinv"].consistency.bit_exact > found["bicubic"].consistency.bit_exact


def test_a_checkpoint_is_projected_and_exact(tiny_model: Path) -> None:
    _, candidates = make_candidates([str(tiny_model)])
    estimate = candidates[str(tiny_model)](LR, "a")
    assert estimate.mse_float < 1e-13
    assert estimate.consistency.holds
    assert estimate.levels.shape == HR.shape


def test_a_checkpoint_that_was_trained_without_a_constraint_is_left_alone(tiny_model: Path, tmp_path: Path) -> None:
    model = load_model(tiny_model)
    path = tmp_path / "free.safetensors"
    save_model(path, model.network, replace(model.card, constraint="none", method="mse"))
    _, candidates = make_candidates([str(path)])
    estimate = candidates[str(path)](LR, "a")
    assert estimate.mse_float > 1e-6
    assert torch.equal(estimate.levels, to_levels(255 * model.network((LR / 255)[None])[0].detach(), 255))


def test_somebody_elses_network_with_and_without_a_projection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strangers.install(monkeypatch)
    path = strangers.save_weights(tmp_path / "4x.safetensors")
    kernel, candidates = make_candidates([f"trunk:{path}", f"backbone:{path}"], precision="fp16")
    raw, projected = (candidate(LR, "a") for candidate in candidates.values())
    assert kernel == make_kernel("bicubic", 4)
    assert projected.consistency.holds
    assert not raw.consistency.holds
    assert PROTOCOLS["y"].psnr(projected.levels / 255, HR / 255, 4) > PROTOCOLS["y"].psnr(raw.levels / 255, HR / 255, 4)


@pytest.mark.parametrize("name", ["baby.png", "baby_x4.tif"])
def test_finished_outputs_are_matched_by_name(tmp_path: Path, name: str) -> None:
    save(HR, tmp_path / name)
    _, candidates = make_candidates([f"dir:{tmp_path}"])
    estimate = candidates[f"dir:{tmp_path}"](LR, "baby")
    assert torch.equal(estimate.levels, HR)
    assert estimate.seconds is None
    assert estimate.consistency.holds
    down = downsampling(BICUBIC, (64, 48), torch.float64).down(HR.double())
    assert estimate.mse_float == pytest.approx(((down - LR) / 255).square().mean().item())  # before it is rounded


def test_outputs_that_do_not_fit(tmp_path: Path) -> None:
    save(scene(60, 48), tmp_path / "small.png")
    _, candidates = make_candidates([f"dir:{tmp_path}"])
    with pytest.raises(ImageError, match="48×60, not 48×64"):
        candidates[f"dir:{tmp_path}"](LR, "small")
    with pytest.raises(ImageError, match="no file 'other'"):
        candidates[f"dir:{tmp_path}"](LR, "other")
    with pytest.raises(UsageError, match="no such folder"):
        make_candidates([f"dir:{tmp_path}/nowhere"])


@pytest.fixture
def gaussian_model(tiny_model: Path, tiny_card: Card, tmp_path: Path) -> Path:
    path = tmp_path / "gaussian.safetensors"
    kernel = describe_kernel(make_kernel("gaussian9", 4))
    save_model(path, load_model(tiny_model).network, replace(tiny_card, name="gaussian", kernel=kernel))
    return path


def test_lr_is_made_by_the_models_own_kernel(tiny_model: Path, gaussian_model: Path) -> None:
    assert make_candidates(["pinv", str(gaussian_model)])[0] == make_kernel("gaussian9", 4)
    narrow = make_candidates([str(gaussian_model)], sigma=1.2)[0]
    assert narrow == make_kernel("gaussian9", 4, 1.2)
    both = [str(tiny_model), str(gaussian_model)]
    with pytest.raises(UsageError, match="different kernels"):
        make_candidates(both)
    assert make_candidates(both, "bicubic")[0] == BICUBIC


def test_scales(tiny_model: Path) -> None:
    assert make_candidates(["pinv"], scale=2)[0] == make_kernel("bicubic", 2)
    assert make_candidates([str(tiny_model)], scale=2)[0] == make_kernel("bicubic", 2)
    with pytest.raises(UsageError, match="above 1"):
        make_candidates(["pinv"], scale=1)


@pytest.mark.parametrize("scale", [2, 2.35, 5])
def test_every_candidate_at_any_scale(tiny_model: Path, tmp_path: Path, scale: float) -> None:
    kernel, candidates = make_candidates(["bicubic", "lanczos", "pinv", str(tiny_model)], scale=scale)
    pair = make_pair(save(scene(47, 60), tmp_path / "a.png"), kernel)
    for name, candidate in candidates.items():
        estimate = candidate(pair.lr, "a", pair.kernel)
        assert estimate.levels.shape == pair.hr.shape
        assert (estimate.consistency.bit_exact == 1) == (name == str(tiny_model))
        if name in ("pinv", str(tiny_model)):
            assert estimate.mse_float < 1e-12


def test_unknown_models() -> None:
    with pytest.raises(CheckpointError, match="no model 'bicubik'"):
        make_candidates(["bicubik"])


def test_a_stochastic_checkpoint_is_sampled(stochastic_model: Path) -> None:
    a, made = make_candidates([str(stochastic_model)])
    candidate = made[str(stochastic_model)]
    assert isinstance(candidate, SamplingCandidate)
    assert isinstance(a, Kernel)
    lr = lr_of(scene(48, 40, contrast=0.5), a)
    samples = candidate.samples(lr, 3)
    assert samples.shape == (3, 3, 48, 40)
    assert (samples[0] != samples[1]).any()
    assert torch.equal(samples[0], candidate(lr, "").levels)


def test_a_deterministic_one_is_not(tiny_model: Path) -> None:
    _, made = make_candidates([str(tiny_model)])
    assert not isinstance(made[str(tiny_model)], SamplingCandidate)


def test_the_models_own_scale_leaves_it_its_own_a(tiny_model: Path, tiny_card: Card, tmp_path: Path) -> None:
    """A σ that is not the default is not forgotten."""
    kernel = make_kernel("gaussian9", 4, 1.2)
    path = tmp_path / "narrow.safetensors"
    save_model(path, load_model(tiny_model).network, replace(tiny_card, name="narrow", kernel=describe_kernel(kernel)))
    assert make_candidates([str(path)], scale=4)[0] == kernel
