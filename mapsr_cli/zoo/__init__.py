"""The checkpoint format and the models that come with the package."""

from mapsr_cli.zoo.bundled import DEFAULT_MODEL, bundled_models, find_model
from mapsr_cli.zoo.checkpoint import Card, Model, load_model, save_model
from mapsr_cli.zoo.fitted_pinv import PinvCard, load_pinv, save_pinv
from mapsr_cli.zoo.prior import Prior, PriorCard, load_prior, load_snapshots, save_prior

__all__ = [
    "DEFAULT_MODEL",
    "Card",
    "Model",
    "PinvCard",
    "Prior",
    "PriorCard",
    "bundled_models",
    "find_model",
    "load_model",
    "load_pinv",
    "load_prior",
    "load_snapshots",
    "save_model",
    "save_pinv",
    "save_prior",
]
