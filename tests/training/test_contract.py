"""What every method promises, with every preset's kinds of networks, at the size of a test."""

import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from mapsr_cli.criteria.base import Learner, Patches, Player, Scalars
from mapsr_cli.criteria.methods import METHODS, PRIORS
from mapsr_cli.criteria.snapshots import Snapshot, Snapshots
from mapsr_cli.criteria.terms import TERMS
from mapsr_cli.networks import PRESETS, Constraint, build, constraints, name_network
from mapsr_cli.operators import TOLD, downsampling
from mapsr_cli.training.assembly import make_learner
from mapsr_cli.training.data import DataConfig
from mapsr_cli.training.data.degradation import degraded, evidence_of
from mapsr_cli.training.export import export
from mapsr_cli.training.loop import Tasks, train
from mapsr_cli.training.recipe import Recipe, make_recipe
from mapsr_cli.training.run import Run
from mapsr_cli.training.settings import SectionValues
from mapsr_cli.zoo import load_model
from mapsr_cli.zoo.prior import load_prior
from tests.fake_cuda import Detours, FakeDownsampling, move_module
from tests.spandrel_here import needs_spandrel
from tests.tiny import tiny
from tests.training.learners import engine

FAST = ("swissroll", "grass", "compact")
"""Every kind of network there is; the other presets differ in size alone, and tiny they hardly differ."""
EVERY = [
    pytest.param(method, preset, marks=() if preset in FAST else pytest.mark.slow)
    for method, preset in itertools.product((*METHODS, *PRIORS), PRESETS)
] + [
    *itertools.product(("affmae+muon", "denoiser+muon", "affgan+terms"), ("grass", "compact")),
    ("affmae+muon", "slim"),
    ("affmae+told", "slim"),
    ("affmae+told", "restoring"),
]
CRITERIA: dict[str, dict[str, float | bool]] = {
    "": {},
    "muon": {"muon_rate": 1e-3},
    "terms": dict.fromkeys(("weight", *TERMS), 0.5) | {"relativistic": True, "null_space": True, "predictable": 0.1},
    "told": {},
}
"""Settings of the criterion by what stands after a +."""
NAMED = {
    "compact+own": (f"{Path(__file__).parents[1] / 'own_network.py'}:Residual", {}),
    "compact+spandrel": ("spandrel:SPAN", {"feature_channels": 8}),
}
"""Networks that the command line names in the place of a preset's, with their settings."""
EVERY += [
    pytest.param(method, preset, marks=needs_spandrel if "spandrel" in preset else ())
    for method, preset in itertools.product(METHODS, NAMED)
]
AFFINE = [name for name, method in METHODS.items() if method.constraint == "affine"]
pytestmark = pytest.mark.parametrize(("method", "preset"), EVERY)


@pytest.fixture(autouse=True)
def _tiny_presets(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, preset in PRESETS.items():
        monkeypatch.setitem(PRESETS, name, tiny(preset))


def recipe(method: str, preset: str, steps: int = 4) -> Recipe:
    name, _, added = method.partition("+")
    data = {"batch": 2, "patch": PRESETS[preset.partition("+")[0]].patch}
    settings: SectionValues = {"data": data, "loop": {"steps": steps, "warmup": 0, "log_steps": 1}}
    if added == "told":
        settings["generator"] = {"told": TOLD}
    settings["criterion"] = {**CRITERIA[added]}
    if preset not in NAMED:
        return make_recipe(name, preset, settings)
    spec, settings["generator"] = NAMED[preset]
    return make_recipe(name, preset.partition("+")[0], settings, network=name_network(spec))


def learner(wanted: Recipe) -> Learner:
    """What the recipe trains; guided methods follow two untrained snapshots."""
    needs = METHODS[wanted.method].needs if wanted.method in METHODS else "nothing"
    snapshots = None
    if needs in PRIORS:
        torch.manual_seed(1)
        snapshots = Snapshots(Snapshot(level, build(wanted[needs])) for level in (0.5, 0.25))
    return make_learner(wanted, snapshots)


def patches(wanted: Recipe, start: int = 0) -> Iterator[Patches]:
    """Float patches of the preset's shape; batch k is a function of k. A network that is told gets what it is told."""
    shape = (wanted["data"].batch, wanted["data"].colours, *wanted["data"].patch)
    told = wanted.method not in PRIORS and bool(getattr(wanted["generator"], "told", 0))
    for k in itertools.count(start):
        y = torch.rand(shape, generator=torch.Generator().manual_seed(k))
        if not told:
            yield Patches(y)
            continue
        small = downsampling(wanted["kernel"].make(), wanted["data"].patch).down(255 * y).numpy()
        kinds = DataConfig(jpeg=(50, 90)), DataConfig(noise=(2.0, 2.0))
        rows = [degraded(image, kind, np.random.default_rng(k)) for image, kind in zip(small, kinds, strict=True)]
        x, evidence = evidence_of(rows)
        yield Patches(y, x=x, evidence=evidence)


def run(wanted: Recipe, folder: Path) -> Run:
    made = Run(folder, learner(wanted), engine(wanted.loop), wanted.loop)
    made.resume()
    made.engine.feed(patches(wanted, made.engine.drawn))
    return made


def weights(trained: Run) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value.clone()
        for name, player in trained.learner.players()
        for key, value in player.bare.state_dict().items()
    }


def used(parameter: str, wanted: Recipe) -> bool:
    """Whether training uses it.

    SPAN folds its convolutions into others, which it uses in eval mode alone. The bias of a logit cancels in pairs.
    """
    paired = getattr(wanted.criterion, "relativistic", False)
    return "eval_conv" not in parameter and not (paired and parameter == "head.bias")


def test_every_player_learns_and_nothing_else_moves(method: str, preset: str, tmp_path: Path) -> None:
    wanted = recipe(method, preset)
    trained = run(wanted, tmp_path)
    before = weights(trained)
    still = [value.clone() for module in trained.learner.modules() for value in module.state_dict().values()]
    report = dict(trained.advance()) | dict(trained.advance())
    assert report
    assert all(torch.as_tensor(value).isfinite().all() for value in report.values())
    after = weights(trained)
    for name, player in trained.learner.players():
        learning = [
            f"{name}.{key}" for key, p in player.bare.named_parameters() if p.requires_grad and used(key, wanted)
        ]
        moved = [key for key in learning if not torch.equal(before[key], after[key])]
        assert moved == learning
    unmoved = [value for module in trained.learner.modules() for value in module.state_dict().values()]
    assert all(torch.equal(a, b) for a, b in zip(still, unmoved, strict=True))


def test_it_resumes_with_the_same_bits(method: str, preset: str, tmp_path: Path) -> None:
    whole = run(recipe(method, preset), tmp_path / "whole")
    train(whole, Tasks())
    first = run(recipe(method, preset), tmp_path / "parts")
    first.advance()
    first.advance()
    first.save()
    second = run(recipe(method, preset), tmp_path / "parts")
    assert second.step == 2
    train(second, Tasks())
    ours, theirs = weights(second), weights(whole)
    assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    for a, b in zip(second.result.state_dict().values(), whole.result.state_dict().values(), strict=True):
        assert torch.equal(a, b)


def test_its_weights_are_a_checkpoint_that_loads(method: str, preset: str, tmp_path: Path) -> None:
    wanted, path = recipe(method, preset), tmp_path / "weights.safetensors"
    trained = run(wanted, tmp_path)
    trained.advance()
    export(wanted, trained, path, {"psnr_y": 30.0})
    if wanted.method in PRIORS:
        assert load_prior(path).kind == wanted.method
        return
    model = load_model(path)
    assert model.card.method == wanted.method
    assert model.card.metrics == {"psnr_y": 30.0}


def test_affine_methods_agree_with_their_input(method: str, preset: str, tmp_path: Path) -> None:
    wanted = recipe(method, preset)
    if wanted.method not in AFFINE:
        pytest.skip("promises nothing")
    trained = run(wanted, tmp_path)
    trained.advance()
    constraint = trained.result.constraint
    assert isinstance(constraint, Constraint)
    y = next(patches(wanted)).y
    x = constraint.down(y)
    with torch.inference_mode():
        error = constraint.down(trained.result(x)) - x
    assert error.square().mean().item() < 1e-12
    if (evidence := next(patches(wanted)).evidence) is not None:
        with torch.inference_mode():
            beyond = evidence.violation(constraint.down(trained.result(evidence.x, evidence=evidence)))
        assert beyond.max().item() < 1e-5


class FakeStage:
    """A stage on a device that is not there. Forward only: a build without CUDA cannot differentiate there."""

    progress = 0.5

    def __init__(self, wanted: Recipe) -> None:
        self.shape = (wanted["data"].batch, wanted["data"].colours, *wanted["data"].patch)
        self.losses: list[Tensor] = []

    def draw(self) -> Patches:
        return Patches(torch.empty(self.shape, device="cuda"))

    def update(self, player: Player, loss: Callable[[], tuple[Tensor, Scalars]]) -> Scalars:
        value, report = loss()
        self.losses.append(value)
        return report


def test_it_stays_on_its_device(method: str, preset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if "spandrel" in preset:
        pytest.skip("SPAN keeps a tensor that is no buffer, and moves it as it runs")
    wanted = recipe(method, preset)
    if hasattr(wanted.criterion, "shift"):  # a fake tensor has no value to move by, and no slope
        still = {"criterion": replace(wanted.criterion, shift=0, r1=0.0, r2=0.0)}  # type: ignore[call-arg]
        monkeypatch.setattr("mapsr_cli.criteria.perceptual.SHIFT", 0)
        wanted = replace(wanted, sections={**wanted.sections, **still})
    made, fake = learner(wanted), FakeDownsampling()
    if wanted.method in METHODS:
        fake.prepare(wanted["kernel"].make(), wanted["data"].patch)
        monkeypatch.setattr(constraints, "downsampling", fake)
    with FakeTensorMode(), torch.no_grad(), Detours():
        for module in [player.bare for _, player in made.players()] + list(made.modules()):
            move_module(module)
        stage = FakeStage(wanted)
        made.step(stage)
        assert stage.losses
        assert all(value.device.type == "cuda" for value in stage.losses)
