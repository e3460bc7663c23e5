"""A tiny checkpoint that all rooms can use, a Hub on loopback, and a quiet processor."""

import errno
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import settings

from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.operators import make_kernel
from mapsr_cli.zoo import Card, describe_kernel, save_model
from tests.hub_server import TOKEN, Hub, serve
from tests.pictures import save, scene

torch.set_num_threads(1)  # tensors here are so small that a second thread costs more than it does
settings.register_profile("same every time", derandomize=True, database=None, deadline=None)
settings.load_profile("same every time")


@pytest.fixture(autouse=True)
def _denormals() -> Iterator[None]:
    """Commands flush denormal numbers for speed, for the whole process; the next test shall not know."""
    yield
    torch.set_flush_denormal(False)


@pytest.fixture(scope="session")
def tiny_card() -> Card:
    return Card(
        name="tiny",
        architecture="compact",
        config={"scale": 4, "channels": 8, "blocks": 2, "colours": 3},
        kernel=describe_kernel(make_kernel("bicubic", 4)),
        constraint="affine",
        method="affmse",
    )


@pytest.fixture(scope="session")
def tiny_model(tiny_card: Card, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint of an untrained network that nevertheless adds something."""
    torch.manual_seed(0)
    network = Compact(CompactConfig(**tiny_card.config))
    torch.nn.init.normal_(network.tail.weight, std=0.05)
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_model(path, network, tiny_card)
    return path


@pytest.fixture(scope="session")
def stochastic_model(tiny_card: Card, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, with two noise maps that matter."""
    torch.manual_seed(0)
    card = replace(tiny_card, name="tiny-z", method="affgan", config={**tiny_card.config, "noise_dim": 2})
    network = Compact(CompactConfig(**card.config))
    torch.nn.init.normal_(network.tail.weight, std=0.05)
    path = tmp_path_factory.mktemp("weights") / "tiny-z.safetensors"
    save_model(path, network, card)
    return path


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A folder of three photographs to train on."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        save(scene(48, 40 + 8 * number), folder / f"{number}.png")
    return folder


@pytest.fixture
def locked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which nothing may be looked up, not even by root."""
    folder, stat = tmp_path / "locked", os.stat
    folder.mkdir()

    def guarded(path: int | str | bytes | Path, **options: Any) -> os.stat_result:
        if not isinstance(path, int):
            at = Path(os.fsdecode(path))
            follow = options.get("follow_symlinks", True)
            real = Path(os.path.realpath(at if follow else at.parent), "" if follow else at.name)
            if folder in real.parents:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", guarded)
    return folder


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub, an empty cache and a token, as HF_ENDPOINT, HF_HOME and HF_TOKEN set them for a new process."""
    from huggingface_hub import close_session, constants

    with serve() as hub:
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        for name, value in {
            "ENDPOINT": hub.url,
            "HUGGINGFACE_CO_URL_TEMPLATE": template,
            "HF_HUB_CACHE": str(tmp_path / "hf" / "hub"),
            "HF_HUB_DISABLE_XET": True,
        }.items():
            monkeypatch.setattr(constants, name, value)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        monkeypatch.setattr("time.sleep", lambda seconds: None)  # between the library's own attempts
        yield hub
        close_session()


@pytest.fixture
def weights(tmp_path: Path, tiny_model: Path) -> Path:
    """A folder of weights that holds one model."""
    folder = tmp_path / "weights"
    folder.mkdir()
    (folder / "tiny.safetensors").write_bytes(tiny_model.read_bytes())
    return folder
