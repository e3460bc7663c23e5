"""What a training measures as it goes, on images of any size."""

from pathlib import Path

import pytest

from mapsr_cli.evaluation.validation import Validation, means
from mapsr_cli.networks import Affine, Estimator, Slim, SlimConfig
from mapsr_cli.operators import TOLD, downsampling, make_kernel, to_levels
from mapsr_cli.training.data import DataConfig
from tests.pictures import save, scene

KERNEL = make_kernel("bicubic", 4)


@pytest.mark.parametrize("told", [0, TOLD])
def test_a_run_on_degraded_images_is_measured_on_such(tmp_path: Path, told: int) -> None:
    """The same ones each time; worse than on clean images, and about as good as bicubic, which sees them, too."""
    for n in range(3):
        save(scene(64, 96, seed=n), tmp_path / f"{n}.png")
    network = Slim(SlimConfig(channels=8, blocks=1, wide_every=2, told=told))
    estimator = Estimator(network, Affine(KERNEL, "detail" if told else "original")).eval()
    clean, *jpegs = (Validation(tmp_path, KERNEL, (64, 64), data) for data in (None, *2 * [DataConfig(jpeg=(30, 30))]))
    found = [validation.measure(estimator)["psnr_y"] for validation in (clean, *jpegs)]
    assert found[0] > found[1] + 0.3
    assert found[1] == found[2]
    assert abs(found[1] - jpegs[0].bicubic()) < 1.5
    assert clean.bicubic() > jpegs[0].bicubic()


@pytest.mark.parametrize("side", [16, 36, 48, 200])
def test_tiles_of_images_of_any_size_are_pairs(tmp_path: Path, side: int) -> None:
    """Also of images a fraction of a patch: both are mirrored as A mirrors, so that the LR tile shows the HR one."""
    save(scene(side, side + 8), tmp_path / "a.png")
    ((lr, hr),) = Validation(tmp_path, KERNEL, (96, 96)).tiles()
    assert (lr.shape, hr.shape) == ((3, 24, 24), (3, 96, 96))
    down = to_levels(255 * downsampling(KERNEL, (96, 96)).down(hr), 255) / 255
    inner = slice(4, -4)  # beyond, a tile from the middle has other neighbours than the image
    assert (down - lr)[:, inner, inner].abs().max() < 1.5 / 255


def test_what_the_eye_sees_is_measured_on_the_saved_levels(tmp_path: Path) -> None:
    """The perfect estimate has each measure's best value; A⁺x is less sharp than the truth."""
    save(scene(64, 96), tmp_path / "a.png")
    validation = Validation(tmp_path, KERNEL, (64, 64))
    truth = [(pair.hr, pair) for pair in validation.pairs]
    perfect = means(truth, validation.measures)
    assert perfect["gradient_energy"] == 1
    assert perfect["ssimulacra2"] == pytest.approx(100)
    assert perfect.get("ssim_y", 1.0) == pytest.approx(1)
    estimator = Estimator(Slim(SlimConfig(channels=8, blocks=1, wide_every=2)), Affine(KERNEL)).eval()
    found = validation.measure(estimator)
    assert found.keys() == {"psnr_y", "consistency_mse", *validation.measures}
    assert 0 < found["gradient_energy"] < 1
    assert found["ssimulacra2"] < 100


def test_images_that_are_too_small_for_a_measure_do_not_count(tmp_path: Path) -> None:
    save(scene(16, 16), tmp_path / "a.png")
    validation = Validation(tmp_path, KERNEL, (16, 16))
    assert "ssim_y" not in means([(pair.hr, pair) for pair in validation.pairs], validation.measures)
