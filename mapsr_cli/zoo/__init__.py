"""The zoo: the checkpoint format, the models that come with the package, and those on the Hugging Face Hub.

Names are imported when first asked for: what only lists models does without torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mapsr_cli.zoo.card import Card, Dataset, describe_kernel
    from mapsr_cli.zoo.checkpoint import Model, load_model, model_of, rewrite_card, save_model
    from mapsr_cli.zoo.error_bars import ErrorBars
    from mapsr_cli.zoo.finding import DEFAULT_MODEL, RESTORER, bundled_models, find_here, find_model
    from mapsr_cli.zoo.fitted_pinv import PinvCard, load_pinv, save_pinv
    from mapsr_cli.zoo.mixture import Textured, textured, twins
    from mapsr_cli.zoo.prior import Prior, PriorCard, load_prior, load_snapshots, save_prior

__all__ = [
    "DEFAULT_MODEL",
    "RESTORER",
    "Card",
    "Dataset",
    "ErrorBars",
    "Model",
    "PinvCard",
    "Prior",
    "PriorCard",
    "Textured",
    "bundled_models",
    "describe_kernel",
    "find_here",
    "find_model",
    "load_model",
    "load_pinv",
    "load_prior",
    "load_snapshots",
    "model_of",
    "rewrite_card",
    "save_model",
    "save_pinv",
    "save_prior",
    "textured",
    "twins",
]

_NAMES = {
    "card": ("Card", "Dataset", "describe_kernel"),
    "checkpoint": ("Model", "load_model", "model_of", "rewrite_card", "save_model"),
    "error_bars": ("ErrorBars",),
    "finding": ("DEFAULT_MODEL", "RESTORER", "bundled_models", "find_here", "find_model"),
    "fitted_pinv": ("PinvCard", "load_pinv", "save_pinv"),
    "prior": ("Prior", "PriorCard", "load_prior", "load_snapshots", "save_prior"),
    "mixture": ("Textured", "textured", "twins"),
}


def __getattr__(name: str) -> Any:
    for module, names in _NAMES.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
