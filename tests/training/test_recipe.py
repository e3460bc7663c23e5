"""What a recipe makes of what it is given."""

import json
from pathlib import Path

import pytest

from mapsr_cli.errors import UsageError
from mapsr_cli.networks import DISCRIMINATORS, PRESETS
from mapsr_cli.training.recipe import _seal, make_recipe, read_recipe
from mapsr_cli.training.sections import PriorConfig


@pytest.mark.parametrize("name", ["bicubic", "box", "lanczos3"])
def test_another_kernel_than_the_presets_has_not_its_sigma(name: str) -> None:
    """The paper's presets have a Gaussian; a kernel without σ would refuse one that nobody gave."""
    assert make_recipe("affmse", "grass", {"kernel": {"name": name}})["kernel"].make().name == name


def test_a_gaussian_keeps_its_sigma() -> None:
    assert make_recipe("affmse", "grass", {})["kernel"].make().sigma == 1.6
    assert make_recipe("affmse", "grass", {"kernel": {"sigma": 1.2}})["kernel"].make().sigma == 1.2
    assert make_recipe("affmse", "grass", {"kernel": {"name": "gaussian9", "sigma": 1.2}})["kernel"].make().sigma == 1.2
    with pytest.raises(UsageError, match="--sigma has no meaning"):
        make_recipe("affmse", "grass", {"kernel": {"name": "box", "sigma": 1.2}})["kernel"].make()


@pytest.mark.parametrize("wrong", [{"steps": 0}, {"snapshots": 0}])
def test_a_prior_has_a_length(wrong: dict[str, int]) -> None:
    with pytest.raises(UsageError, match="a prior of"):
        PriorConfig(**wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("preset", [name for name in PRESETS if name != "swissroll"])
@pytest.mark.parametrize("scale", [2, 3, 5, 8])
def test_patches_are_rounded_up_to_whole_lr_pixels(preset: str, scale: int) -> None:
    asked = PRESETS[preset].patch[0]
    height, width = make_recipe("mse", preset, {"kernel": {"scale": scale}})["data"].patch
    assert height == width
    assert height % scale == 0
    assert asked <= height < asked + scale


def test_a_generator_of_one_size_takes_no_other_patches() -> None:
    with pytest.raises(UsageError, match="makes images of 1×2 pixels, not 3×3"):
        make_recipe("affmse", "swissroll", {"data": {"patch": (3, 3)}})


def test_a_recipe_is_read_as_it_was_written(tmp_path: Path) -> None:
    recipe = make_recipe("affgan", "grass", {"loop": {"steps": 3}}, "photos", Path("start.safetensors"))
    recipe.write(tmp_path)
    assert read_recipe(tmp_path) == recipe


WHOLE = '{"method": "mse", "preset": "grass", "sections": {}, "data": "photos"}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[" * 100_000,
        "null",
        "[]",
        "{}",
        WHOLE.replace('"mse"', "[1]"),
        WHOLE.replace('"mse"', '"affmsee"'),
        WHOLE.replace('"grass"', "7"),
        WHOLE.replace("{}", "[]"),
        WHOLE.replace("{}", '{"loop": 5}'),
        WHOLE.replace("{}", '{"loop": {"steps": "many"}}'),
        WHOLE.replace("{}", '{"loop": {"stepps": 5}}'),
        WHOLE.replace("{}", '{"lop": {}}'),
        WHOLE.replace('"photos"', "null"),
        WHOLE.replace('"data"', '"method"'),
        WHOLE.replace("}", ', "init": 4}').replace("{, ", "{}, "),
        WHOLE + "\udcff",
    ],
)
def test_a_damaged_recipe_is_refused_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "recipe.json").write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UsageError, match=r"recipe\.json: ") as refused:
        read_recipe(tmp_path)
    assert "\n" not in str(refused.value)


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no run"):
        read_recipe(tmp_path)


def test_a_flipped_bit_is_told(tmp_path: Path) -> None:
    make_recipe("affmse", "compact", {"loop": {"steps": 8}}, "photos").write(tmp_path)
    assert read_recipe(tmp_path).sections["loop"].steps == 8
    stored = (tmp_path / "recipe.json").read_bytes()
    (tmp_path / "recipe.json").write_bytes(stored.replace(b'"steps": 8', b'"steps": 9'))  # one bit
    with pytest.raises(UsageError, match="changed or damaged"):
        read_recipe(tmp_path)


@pytest.mark.parametrize("preset", ["compact", "slim"])
def test_a_gan_of_photographs_has_a_content_term_and_pairs_by_default(preset: str) -> None:
    recipe = make_recipe("affgan", preset, {})
    criterion = recipe["criterion"]
    assert (criterion.weight, criterion.content, criterion.perceptual, criterion.lattice) == (0.25, 2.0, 0.1, 0.5)
    assert (criterion.predictable, criterion.phases) == (0.04, 0.05)
    assert (criterion.energy, criterion.spectrum) == (0.005, 0.015)
    assert (criterion.relativistic, criterion.r1, criterion.r2, criterion.slope_share) == (True, 2e-4, 2e-4, 0.125)
    assert (recipe["data"].patch, recipe["data"].batch) == ((128, 128), 8)
    assert recipe["discriminator"] == DISCRIMINATORS["unet"]
    assert criterion.null_space
    assert not make_recipe("softgan", preset, {})["criterion"].null_space  # what is not projected is free everywhere
    grass = make_recipe("affgan", "grass", {})["criterion"]  # the paper's
    assert (grass.weight, grass.content, grass.perceptual, grass.lattice) == (1.0, 0.0, 0.0, 0.0)
    assert (grass.relativistic, grass.r1, grass.r2) == (False, 0.0, 0.0)


@pytest.mark.parametrize("name", DISCRIMINATORS)
def test_a_discriminator_has_a_name(name: str, tmp_path: Path) -> None:
    recipe = make_recipe("affgan", "compact", {"discriminator": {"name": name, "slope": 0.3}})
    assert recipe["discriminator"].widths == DISCRIMINATORS[name].widths
    assert recipe["discriminator"].slope == 0.3
    recipe.write(tmp_path)
    assert read_recipe(tmp_path) == recipe


@pytest.mark.parametrize(("preset", "name"), [("compact", "pach"), ("swissroll", "patch")])
def test_a_discriminator_of_another_name_or_kind_is_refused(preset: str, name: str) -> None:
    with pytest.raises(UsageError, match=rf"unknown discriminator\.name '{name}'"):
        make_recipe("affgan", preset, {"discriminator": {"name": name}})


def test_a_setting_younger_than_the_run_changes_nothing(tmp_path: Path) -> None:
    """A run from before there were terms goes on without them, though its preset has some today."""
    make_recipe("affgan", "compact", {"discriminator": {"name": "strided"}}, "photos").write(tmp_path)
    path = tmp_path / "recipe.json"
    stored = json.loads(path.read_text())
    for section, young in {
        "criterion": ("weight", "content", "relativistic"),
        "discriminator": ("spectral_norm",),
    }.items():
        for field in young:
            del stored["sections"][section][field]
    stored["sha256"] = _seal({key: value for key, value in stored.items() if key != "sha256"})
    path.write_text(json.dumps(stored))
    recipe = read_recipe(tmp_path)
    assert (recipe["criterion"].weight, recipe["criterion"].content, recipe["criterion"].relativistic) == (1, 0, False)
    assert recipe["criterion"].perceptual == 0.1  # which it had
    assert recipe["discriminator"] == DISCRIMINATORS["strided"]
