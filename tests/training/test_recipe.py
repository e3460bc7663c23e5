"""What a recipe makes of what it is given."""

import pytest

from mapsr_cli.errors import UsageError
from mapsr_cli.training.recipe import make_recipe
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
