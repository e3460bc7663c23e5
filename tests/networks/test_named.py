"""Networks that the command line names. spandrel's: see tests/training/test_spandrel_networks.py."""

import hashlib
import json
import sys
from dataclasses import asdict
from importlib.metadata import EntryPoint, EntryPoints
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from mapsr_cli.errors import CheckpointError, MissingExtraError, UsageError
from mapsr_cli.networks import (
    Affine,
    Estimator,
    Named,
    architecture_of,
    build,
    lay_out,
    name_network,
    named,
    read_config,
)
from mapsr_cli.operators import make_kernel
from mapsr_cli.zoo import load_model, model_of, save_model

FILE = Path(__file__).parents[1] / "own_network.py"


@pytest.fixture(autouse=True)
def _nothing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(named, "_OWN", {})


def network(name: str, **fields: Any) -> Named:
    code = name_network(f"{FILE}:{name}")
    torch.manual_seed(0)
    made = build(read_config(code.architecture, fields))
    assert isinstance(made, Named)
    return made


def test_a_file_of_ones_own() -> None:
    code = name_network(f"{FILE}:Residual")
    assert code.architecture == "own:Residual"
    assert code.place == "own_network.py:Residual"
    assert code.sha256 == hashlib.sha256(FILE.read_bytes()).hexdigest()
    config = read_config(code.architecture, {"channels": 5, "scale": 2})
    assert architecture_of(config) == code.architecture
    assert asdict(config) == {"scale": 2, "colours": 3, "noise_dim": 0, "channels": 5}
    assert read_config(code.architecture, json.loads(json.dumps(asdict(config)))) == config
    made = network("Residual", channels=5, scale=2)
    made.check()
    assert made(torch.rand(2, 3, 6, 5)).shape == (2, 3, 12, 10)


def test_defaults_that_are_no_settings_stay_the_classes() -> None:
    made = network("Means", widths=[6])
    assert asdict(made.config).keys() == {"scale", "colours", "noise_dim", "widths", "slope"}
    assert made.module.get_parameter("head.weight").shape[0] == 6


@pytest.mark.parametrize(
    ("fields", "says"),
    [({"chanels": 4}, "no setting 'chanels'"), ({"channels": "many"}, "channels=many"), ({"scale": 0}, "scale=0")],
)
def test_settings_are_checked(fields: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        network("Residual", **fields)


def test_what_is_missing_is_named() -> None:
    with pytest.raises(UsageError, match="own:Needy cannot be built") as caught:
        network("Needy")
    assert caught.value.hint == "--set generator.channels=…"
    network("Needy", channels=4).check()


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        (f"{FILE}:Absent", "is no class"),
        (f"{FILE}:NOT_A_CLASS", "is no class"),
        ("absent.py:Net", "no such file"),
        ("net", "no network 'net'"),
    ],
)
def test_what_is_not_there(spec: str, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        name_network(spec)


def test_code_that_fails_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text("import sibling\n1 / sibling.ZERO")
    (tmp_path / "sibling.py").write_text("ZERO = 0")
    before = list(sys.path)
    with pytest.raises(UsageError, match=r"net.py cannot be imported \(ZeroDivisionError: division by zero\)"):
        name_network(f"{tmp_path}/net.py:Net")
    assert sys.path == before


def test_a_network_of_another_scale_is_refused() -> None:
    with pytest.raises(UsageError, match=r"makes \[1, 3, 64, 64\] of \[1, 3, 16, 16\], not \[1, 3, 32, 32\]"):
        network("Stuck", scale=2).check()


def test_noise_goes_to_networks_that_take_it() -> None:
    made = network("Residual", noise_dim=2)
    made.check()
    assert made(torch.rand(1, 3, 4, 4), torch.randn(1, 2, 4, 4)).shape == (1, 3, 16, 16)
    with pytest.raises(UsageError, match="needs noise"):
        made(torch.rand(1, 3, 4, 4))
    with pytest.raises(UsageError, match="takes no noise maps"):
        network("Means", noise_dim=2)


def test_how_far_it_sees_is_measured_or_stated() -> None:
    assert network("Residual").receptive_field == 4
    assert network("Means").radius is None
    stated = network("Stated")
    assert (stated.radius, stated.detail) == (9, True)


def test_measuring_leaves_the_network_as_it_was() -> None:
    made = network("Means").train()
    made.module.get_submodule("head").eval()
    before = {name: value.clone() for name, value in made.state_dict().items()}
    state = torch.get_rng_state()
    made.check()
    lay_out(Estimator(made, Affine(make_kernel("bicubic", 4))))
    assert all(torch.equal(before[name], value) for name, value in made.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())
    modules = [made, made.module, made.module.get_submodule("norm"), made.module.get_submodule("head")]
    assert [module.training for module in modules] == [True, True, True, False]
    assert made.memory_format == torch.contiguous_format


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    model = model_of(Estimator(network("Residual"), Affine(make_kernel("bicubic", 4))), "mine", method="affmae")
    save_model(tmp_path / "mine.safetensors", model.network, model.card)
    return tmp_path / "mine.safetensors"


def test_a_checkpoint_holds_the_weights_and_not_the_code(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    x = torch.rand(1, 3, 8, 9)
    model = load_model(saved)
    assert (model.card.architecture, model.receptive_field, model.seamless) == ("own:Residual", 4, True)
    assert torch.allclose(model.network(x), network("Residual")(x), atol=1e-6)
    monkeypatch.setattr(named, "_OWN", {})
    with pytest.raises(CheckpointError, match="'Residual' is a network of its author's own code") as caught:
        load_model(saved)
    assert "--network FILE.py:Residual" in caught.value.hint


@pytest.mark.parametrize("architecture", ["os:system", "own:os.system", "own:", "tests.own_network.py:Residual"])
def test_no_checkpoint_names_code(saved: Path, architecture: str) -> None:
    with pytest.raises(UsageError):
        read_config(architecture, {})


def test_an_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("mine", "tests.own_network:Stated", "mapsr.networks")
    monkeypatch.setattr(named, "entry_points", lambda group: EntryPoints([point] if group == "mapsr.networks" else []))
    code = name_network("mine")
    assert (code.architecture, code.place, code.sha256) == ("own:mine", "tests.own_network:Stated", "")
    assert isinstance(build(read_config("own:mine", {})), nn.Module)
    with pytest.raises(UsageError, match="no network 'mien'") as caught:
        name_network("mien")
    assert "did you mean 'mine'" in caught.value.hint


def test_spandrel_has_to_be_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "spandrel", None)
    with pytest.raises(MissingExtraError):
        name_network("spandrel:SPAN")
