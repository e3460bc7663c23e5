"""The upscaler that the options of `mapsr upscale` describe."""

from collections.abc import Callable
from pathlib import Path
from typing import Literal

from mapsr_cli.errors import UsageError
from mapsr_cli.imaging import find_kernel
from mapsr_cli.inference import Settings, Upscaler
from mapsr_cli.inference.backbone import load_backbone
from mapsr_cli.inference.devices import choose_device
from mapsr_cli.inference.level_upscaler import ConsistencyLevel, EvidenceChoice
from mapsr_cli.inference.sizes import SizeRequest
from mapsr_cli.zoo import DEFAULT_MODEL, RESTORER, bundled_models, find_model, load_model


def make_upscaler(
    model: str | None,
    backbone: Path | None,
    kernel: str | None,
    sigma: float | None,
    consistency: ConsistencyLevel,
    tile: str,
    device: str,
    precision: str,
    strength: float,
    noise: float | Literal["auto"] | None = None,
    seed: int = 0,
    size: SizeRequest | None = None,
    evidence: EvidenceChoice = "auto",
    texture: float | None = None,
    fetched: Callable[[int, int], None] = lambda done, total: None,
) -> Upscaler:
    """Make the upscaler; `fetched` hears of bytes from the Hub. Without a model, each original has the one for it.

    Raises MapsrError for a model that cannot be found or loaded, UsageError for options that do not go together.
    """
    name, device = model or DEFAULT_MODEL, choose_device(device)  # before anything is fetched
    loaded = load_model(find_model(name, fetched)) if backbone is None else load_backbone(backbone)
    a = None
    if kernel is not None or sigma is not None:
        a = find_kernel(kernel or loaded.kernel.name, loaded.kernel.scale, sigma)
    settings = Settings(consistency, _tile(tile), strength, noise, seed, size, evidence, texture)
    restored = model is None and backbone is None and texture is None and RESTORER in bundled_models()
    return Upscaler(loaded, settings, a, device=device, precision=precision, restorer=RESTORER if restored else None)


def read_noise(text: str | None) -> float | Literal["auto"] | None:
    """Read what --noise takes. Raises UsageError for anything but a number or auto."""
    if text is None:
        return None
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--noise takes auto or a number of levels, not '{text}'") from None


def _tile(text: str) -> int | None:
    if text in ("auto", "off"):
        return None if text == "auto" else 0
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--tile takes auto, off or a number of pixels, not '{text}'")
    return int(text)
