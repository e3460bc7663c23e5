"""The affine constraint's five projections: Figure 2's four, and the exact one."""

from pathlib import Path

import pytest
import torch

from mapsr_cli.criteria.base import Patches
from mapsr_cli.errors import MapsrError
from mapsr_cli.networks import AffineConvolution
from mapsr_cli.operators import Point, solve_pinv
from mapsr_cli.training.assembly import constraint_of, make_learner
from mapsr_cli.training.recipe import Recipe, make_recipe
from mapsr_cli.training.settings import SectionValues
from mapsr_cli.zoo import save_pinv
from tests.training.learners import run

PROJECTIONS = ("exact", "fitted", "fitted-trainable", "random", "random-trainable")
SMALL: SectionValues = {
    "generator": {"channels": 8, "blocks": 1},
    "data": {"patch": (16, 16), "batch": 2},
    "loop": {"steps": 4},
}


def recipe(projection: str, **constraint: object) -> Recipe:
    settings = {**SMALL, "kernel": {"name": "gaussian9", "sigma": 1.6}}
    return make_recipe("affmse", "compact", {**settings, "constraint": {"projection": projection, **constraint}})


@pytest.mark.parametrize("projection", PROJECTIONS)
def test_only_what_is_trainable_learns(projection: str, tmp_path: Path) -> None:
    made = recipe(projection)
    trained = run(tmp_path, made.loop, make_learner(made))
    kernels = [p.clone() for n, p in trained.result.named_parameters() if n.endswith("constraint.kernels")]
    assert len(kernels) == (projection != "exact")
    trained.engine.feed(map(Patches, torch.rand(4, 2, 3, 16, 16)))
    trained.advance()
    after = [p for n, p in trained.learner.generator.bare.named_parameters() if n.endswith("kernels")]  # type: ignore[attr-defined]
    moved = [not torch.equal(a, b) for a, b in zip(kernels, after, strict=True)]
    assert moved == [projection.endswith("-trainable")] * len(kernels)


def test_a_fitted_projection_is_consistent_inside_and_a_random_one_is_not() -> None:
    torch.manual_seed(0)
    f, x = torch.rand(1, 3, 96, 96), torch.rand(1, 3, 24, 24)

    def inconsistency(projection: str) -> float:
        constraint = constraint_of(recipe(projection))
        return (constraint.down(constraint(f, Point(x))) - x)[..., 6:-6, 6:-6].square().mean().item()

    assert inconsistency("fitted") < 1e-12
    assert inconsistency("random") > 1e-3


def test_a_file_of_fit_pinv_is_taken_if_it_is_for_this_a(tmp_path: Path) -> None:
    a = recipe("fitted")["kernel"].make()
    pinv = solve_pinv(a, 5)
    save_pinv(tmp_path / "a.safetensors", pinv, a)
    constraint = constraint_of(recipe("fitted", pinv=str(tmp_path / "a.safetensors")))
    assert isinstance(constraint, AffineConvolution)
    torch.testing.assert_close(constraint.kernels.detach(), pinv.kernels.float())
    fitted = {"projection": "fitted", "pinv": str(tmp_path / "a.safetensors")}
    other = make_recipe("affmse", "compact", {"constraint": fitted})
    with pytest.raises(MapsrError, match="inverts gaussian9"):
        constraint_of(other)
