import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard

from mapsr_cli.errors import CheckpointError
from mapsr_cli.networks import Compact, CompactConfig
from mapsr_cli.zoo import Card, Dataset, describe_kernel, save_model
from mapsr_cli.zoo.model_card import licence_of, repository_files
from tests.psfs import comet_kernel

METRICS = {"protocol": "y", "psnr_y": {"Set5": 31.5, "Set14": None}, "cost_of_float16": {"Set5": 0.0}}


@pytest.fixture
def checkpoint(tmp_path: Path, tiny_card: Card) -> Path:
    card = replace(
        tiny_card,
        description="what it is",
        license="mit",
        metrics=METRICS,
        training={"steps": 7},
        data=(Dataset("T91", "no terms stated"),),
    )
    path = tmp_path / "tiny.safetensors"
    save_model(path, Compact(CompactConfig(**card.config)), card)
    return path


def metadata(text: bytes) -> dict[str, Any]:
    """As the Hub's own library reads it."""
    found: dict[str, Any] = ModelCard(text.decode()).data.to_dict()  # type: ignore[no-untyped-call]
    return found


def test_a_measured_kernels_phase_is_that_of_the_plane(tiny_card: Card, tmp_path: Path) -> None:
    card = replace(tiny_card, kernel=describe_kernel(comet_kernel(4)), license="mit")
    save_model(tmp_path / "m.safetensors", Compact(CompactConfig(**card.config)), card)
    files = repository_files(tmp_path / "m.safetensors", "org/tiny", "mit", {})
    readme = files["README.md"]
    assert isinstance(readme, bytes)
    assert "`file:comet.npy` ×4, phase 1 and 1.5, symmetric border" in readme.decode()


def test_what_the_hub_reads(checkpoint: Path) -> None:
    files = repository_files(checkpoint, "org/tiny", "mit", {"samples/a.png": b"png"})
    assert set(files) == {"model.safetensors", "config.json", "README.md", "samples/a.png"}
    assert files["model.safetensors"] == checkpoint
    text = files["README.md"]
    assert isinstance(text, bytes)
    data = metadata(text)
    told = {key: data[key] for key in ("library_name", "pipeline_tag", "license", "datasets")}
    assert told == {"library_name": "mapsr", "pipeline_tag": "image-to-image", "license": "mit", "datasets": ["T91"]}
    assert "arxiv:1610.04490" in data["tags"]
    (model,) = data["model-index"]
    assert model["name"] == "tiny"
    (result,) = model["results"]
    assert result["dataset"]["name"] == "Set5"
    assert (result["metrics"][0]["type"], result["metrics"][0]["value"]) == ("psnr", 31.5)
    config = files["config.json"]
    assert isinstance(config, bytes)
    assert json.loads(config)["architecture"] == "compact"


def test_what_people_read(checkpoint: Path) -> None:
    files = repository_files(checkpoint, "org/tiny", "mit", {"samples/a.png": b"png"})
    text = files["README.md"]
    assert isinstance(text, bytes)
    for part in ("# tiny", "what it is", "T91 (no terms stated)", "steps 7", "| PSNR (luma), dB | Set5 | 31.5 |",
                 "![a](samples/a.png)", 'mapsr_cli.load("org/tiny")', "--model org/tiny"):  # fmt: skip
        assert part in text.decode(), part


def test_a_card_beside_the_checkpoint_is_taken(checkpoint: Path) -> None:
    checkpoint.with_suffix(".md").write_text("# By hand\n\nWhere it fails.")
    text = repository_files(checkpoint, "org/tiny", "mit", {})["README.md"]
    assert isinstance(text, bytes)
    assert "Where it fails." in text.decode()
    assert "# tiny" not in text.decode()
    assert "## Samples" not in text.decode()


def test_the_licence_must_be_known(tiny_card: Card) -> None:
    with pytest.raises(CheckpointError, match="licence"):
        licence_of(tiny_card, None)
    assert licence_of(tiny_card, "cc0-1.0") == "cc0-1.0"
    assert licence_of(replace(tiny_card, license="mit"), None) == "mit"
