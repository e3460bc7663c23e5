"""What a model's repository on the Hub holds: weights, config, and a card for people and for the Hub's search."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mapsr_cli.errors import CheckpointError
from mapsr_cli.zoo.cache import MODEL_FILE
from mapsr_cli.zoo.card import Card
from mapsr_cli.zoo.manifest import read_card

PAPER = "arxiv:1610.04490"
MEASURES = {
    "psnr": ("psnr", "PSNR (RGB), dB"),
    "psnr_y": ("psnr", "PSNR (luma), dB"),
    "ssim": ("ssim", "SSIM (RGB)"),
    "ssim_y": ("ssim", "SSIM (luma)"),
}
"""Stored metrics that the Hub has a name for: its type, and what it means here."""


def licence_of(card: Card, given: str | None) -> str:
    """Choose the licence given, else the card's, as the Hub spells it. Raises CheckpointError if there is neither."""
    if not (given or card.license):
        raise CheckpointError(f"{card.name} does not say under what licence it is", "--license apache-2.0")
    return given or card.license


def repository_files(
    checkpoint: Path, repo: str, license_id: str, samples: Mapping[str, bytes]
) -> dict[str, bytes | Path]:
    """Collect a repository's files by path: the checkpoint as it is, `config.json`, `README.md` and sample pictures."""
    card = read_card(checkpoint)
    beside = checkpoint.with_suffix(".md")
    text = beside.read_text(encoding="utf-8") if beside.is_file() else None
    return {
        MODEL_FILE: checkpoint,
        "config.json": (json.dumps(card.to_header(), indent=2, ensure_ascii=False) + "\n").encode(),
        "README.md": readme(card, repo, license_id, list(samples), text).encode(),
        **samples,
    }


def readme(card: Card, repo: str, license_id: str, samples: list[str], text: str | None) -> str:
    """Write the card: the Hub's metadata, `text` about the model (else its header's), how to use it, pictures."""
    pictures = [
        "Left: the input, each pixel enlarged. Right: the output.",
        *(f"![{Path(path).stem}]({path})" for path in samples),
    ]
    parts = [
        f"---\n{_metadata(card, license_id)}\n---",
        (text or _description(card)).strip(),
        "\n\n".join(["## Samples", *pictures]) if samples else "",
        _usage(repo),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _metadata(card: Card, license_id: str) -> str:
    from huggingface_hub import EvalResult, ModelCardData

    results = [
        EvalResult(
            task_type="image-to-image",
            task_name=f"×{card.scale} super-resolution, A = {card.kernel['name']}",
            dataset_type=dataset.lower(),
            dataset_name=dataset,
            metric_type=MEASURES[measure][0],
            metric_name=MEASURES[measure][1],
            metric_value=value,
        )
        for measure, dataset, value in _figures(card)
    ]
    data = ModelCardData(
        library_name="mapsr",
        pipeline_tag="image-to-image",
        license=license_id,
        datasets=[re.sub(r"[^\w./-]+", "-", entry.name) for entry in card.data] or None,
        tags=["super-resolution", "image-upscaling", card.method, PAPER],
        model_name=card.name,
        eval_results=results or None,
    )
    return data.to_yaml()


def _figures(card: Card) -> list[tuple[str, str, float]]:
    """List (measure, test set, value) of the stored metrics that the Hub has a name for."""
    return [
        (measure, dataset, value)
        for measure, values in card.metrics.items()
        if measure in MEASURES and isinstance(values, dict)
        for dataset, value in values.items()
        if isinstance(value, int | float)
    ]


def _description(card: Card) -> str:
    """Describe a header for people."""
    kernel = card.kernel
    sigma = "" if kernel["sigma"] is None else f", σ = {kernel['sigma']:g}"
    phases = kernel["phase"] if isinstance(kernel["phase"], list) else [kernel["phase"]]
    phase = " and ".join(f"{value:g}" for value in phases)
    lines = [
        f"# {card.name}",
        card.description,
        f"- **Network**: `{card.architecture}`, {_pairs(card.config)}",
        f"- **A**: `{kernel['name']}` ×{card.scale}{sigma}, phase {phase}, {kernel['border']} border",
        f"- **Method**: `{card.method}`, constraint: {card.constraint}",
        *(f"- **Learnt from**: {entry.name} ({entry.terms})" for entry in card.data),
    ]
    plain = {key: value for key, value in card.training.items() if isinstance(value, str | int | float)}
    if plain:
        lines.append(f"- **Training**: {_pairs(plain)}")
    figures = [f"| {MEASURES[measure][1]} | {dataset} | {value:g} |" for measure, dataset, value in _figures(card)]
    if figures:
        lines += ["", str(card.metrics.get("protocol", "")), "", "| | | |", "|---|---|---|", *figures]
    return "\n".join(lines)


def _pairs(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items())


def _usage(repo: str) -> str:
    return f"""## Use

```sh
pip install .  # in the folder of mapsr's source, from git clone
mapsr upscale photo.png --model {repo}
```

```python
import mapsr_cli

network = mapsr_cli.load("{repo}")  # an nn.Module: [N, 3, h, w] in [0, 1] → [N, 3, s·h, s·w]
upscale = mapsr_cli.Upscaler("{repo}")  # takes and returns PIL images or arrays
```"""
