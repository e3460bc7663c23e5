"""Starting from given weights, the same network's or a deterministic twin's; and what is written."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mapsr_cli.criteria.resolver import SuperResolver
from mapsr_cli.errors import UsageError
from mapsr_cli.networks import Affine, Estimator
from mapsr_cli.operators.evidence import TOLD
from mapsr_cli.training.assembly import make_learner
from mapsr_cli.training.export import export
from mapsr_cli.training.recipe import Recipe, make_recipe
from mapsr_cli.zoo import load_model
from tests.training.learners import run


def recipe(**generator: object) -> Recipe:
    sections = {"generator": {"widths": (8, 8), **generator}, "loop": {"steps": 1}, "data": {"patch": (16, 16)}}
    return make_recipe("affmse", "grass", sections)  # type: ignore[arg-type]


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    made = recipe()
    trained = run(tmp_path, made.loop, make_learner(made))
    path = tmp_path / "weights.safetensors"
    export(made, trained, path, {})
    return path


def estimator(made: Recipe, init: Path | None) -> Estimator:
    learner = make_learner(replace(made, init=init))
    assert isinstance(learner, SuperResolver)
    found = learner.generator.bare
    assert isinstance(found, Estimator)
    return found.eval()


def test_a_stochastic_network_starts_from_a_deterministic_one(weights: Path) -> None:
    """Without noise it is the same function; with noise it is not."""
    x = torch.rand(1, 3, 4, 4)
    plain, noisy = estimator(recipe(), weights).generator, estimator(recipe(noise_dim=2), weights).generator
    fresh = estimator(recipe(noise_dim=2), None).generator
    still, noise = torch.zeros(1, 2, 4, 4), torch.randn(1, 2, 4, 4)
    torch.testing.assert_close(noisy(x, still), plain(x))
    assert not torch.allclose(noisy(x, noise), plain(x))
    assert not torch.allclose(fresh(x, still), plain(x))


def slim(**generator: object) -> Recipe:
    small = {"channels": 8, "blocks": 1, "depth": 1, "wide_channels": 4, **generator}
    sections = {"generator": small, "loop": {"steps": 1}, "data": {"patch": (16, 16)}}
    return make_recipe("affmae", "slim", sections)  # type: ignore[arg-type]


def test_a_network_that_is_told_starts_from_one_that_is_not(tmp_path: Path) -> None:
    """At first it does not listen: a JPEG's tables change nothing."""
    made, path = slim(), tmp_path / "weights.safetensors"
    trained = run(tmp_path, made.loop, make_learner(made))
    trained.advance()
    export(made, trained, path, {})
    x, told = torch.rand(1, 3, 4, 4), torch.ones(1, TOLD)
    plain, listening = estimator(slim(), path), estimator(slim(told=TOLD), path)
    guesses = [e.constraint.guess for e in (plain, listening) if isinstance(e.constraint, Affine)]
    assert guesses == ["original", "detail"]
    torch.testing.assert_close(listening.generator(x, told=told), plain.generator(x))
    assert load_model(path).guess == "original"


def test_a_restoring_network_starts_from_its_trunk(tmp_path: Path) -> None:
    """At first it restores nothing: it is the network for lossless originals that it began with."""
    compact = compact_recipe("compact")
    trained, path = run(tmp_path, compact.loop, make_learner(compact)), tmp_path / "weights.safetensors"
    trained.advance()
    export(compact, trained, path, {})
    x, told = torch.rand(1, 3, 4, 4), torch.ones(1, TOLD)
    plain, restoring = estimator(compact, path), estimator(compact_recipe("restoring"), path)
    assert plain.generator(x).abs().max() > 0
    torch.testing.assert_close(restoring.generator(x, told=told), plain.generator(x))
    with pytest.raises(UsageError, match="its network is not this run's"):
        make_learner(replace(compact_recipe("restoring", channels=4), init=path))


def compact_recipe(preset: str, channels: int = 8) -> Recipe:
    sections = {
        "generator": {"channels": channels, "blocks": 1},
        "loop": {"steps": 1},
        "data": {"patch": (16, 16)},
    }
    return make_recipe("affmae", preset, sections)  # type: ignore[arg-type]


@pytest.mark.parametrize("generator", [{"widths": (8, 16)}, {"noise_dim": 2, "widths": (16, 8)}])
def test_another_network_is_refused(weights: Path, generator: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="its network is not this run's"):
        make_learner(replace(recipe(**generator), init=weights))


def test_weights_do_not_tell_where_files_lie(tmp_path: Path) -> None:
    """A header is published; the folders of whoever trained are not."""
    places = {
        "constraint": {"pinv": str(tmp_path / "b.safetensors")},
        "teacher": {"weights": "/home/ada/a.safetensors"},
    }
    settings = {"loop": {"steps": 1}, "data": {"patch": (16, 16)}, **places}
    made = make_recipe("affmse", "grass", settings, str(tmp_path / "photos"))  # type: ignore[arg-type]
    trained = run(tmp_path, made.loop, make_learner(made))
    export(made, trained, tmp_path / "weights.safetensors", {})
    training = load_model(tmp_path / "weights.safetensors").card.training
    sections = training["settings"]["sections"]
    assert (sections["constraint"]["pinv"], sections["teacher"]["weights"]) == ("b.safetensors", "a.safetensors")
    assert str(tmp_path.parent) not in str(training)
    assert made["constraint"].pinv == str(tmp_path / "b.safetensors")


def test_an_expanded_network_is_saved_plain(tmp_path: Path) -> None:
    settings = {"channels": 8, "blocks": 1, "depth": 2, "expanded": True}
    made = make_recipe("affmae", "slim", {"generator": settings, "loop": {"steps": 2}, "data": {"patch": (16, 16)}})
    trained = run(tmp_path, made.loop, make_learner(made))
    trained.advance()
    assert isinstance(trained.result, Estimator)
    path = tmp_path / "weights.safetensors"
    export(made, trained, path, {})
    saved, x = load_model(path), torch.rand(1, 3, 6, 5)
    expected = trained.result.generator(x)
    assert expected.abs().max() > 0
    assert saved.card.config["expanded"] is False
    torch.testing.assert_close(saved.network(x), expected, rtol=0, atol=1e-5)
