"""spandrel, the library of other projects' architectures: imported when it is asked for."""

import copy
import inspect
import warnings
from collections.abc import Iterator
from importlib import import_module
from textwrap import shorten
from typing import Any

import torch
from torch import nn

from mapsr_cli.errors import MapsrError, MissingExtraError, UsageError, did_you_mean

PAIR = "torch==2.14.1 torchvision==0.29.1"
"""Versions that spandrel was tested with."""


def import_spandrel() -> Any:
    """Import spandrel. Raises MissingExtraError without it, MapsrError where torchvision does not load."""
    try:
        with warnings.catch_warnings(action="ignore"):
            import spandrel
    except ImportError as error:
        raise MissingExtraError("other people's networks", "spandrel") from error
    except RuntimeError as error:  # torchvision registers operators with a torch that it was not built for
        reason = shorten(str(error) or type(error).__name__, 200)
        raise MapsrError(
            f"torchvision, which spandrel needs, does not load beside torch {torch.__version__} ({reason})",
            f"install both from one place: pip install {PAIR}",
        ) from error
    return spandrel


def find_class(name: str) -> type[nn.Module]:
    """Return the class of an architecture in spandrel's registry: `SPAN`, `RealPLKSR`, …

    Raises UsageError for a name that it does not have, and as `import_spandrel`.
    """
    classes = dict(_classes(import_spandrel()))
    if name not in classes:
        raise UsageError(f"spandrel has no architecture '{shorten(name, 80)}'", did_you_mean(name, classes))
    return classes[name]


def _classes(spandrel: Any) -> Iterator[tuple[str, type[nn.Module]]]:
    """List what the packages of the registry's architectures offer to build."""
    for support in spandrel.MAIN_REGISTRY:
        package = import_module(type(support.architecture).__module__)
        for name in package.__all__:
            offered = getattr(package, name)
            if inspect.isclass(offered) and issubclass(offered, nn.Module):
                yield name, offered


def folded(network: nn.Module) -> nn.Module:
    """Return a copy, for eval mode, that writes no weights as it runs, which a graph cannot.

    SPAN folds each of its convolutions into one at every call; the copy has done so once.
    """
    copied = copy.deepcopy(network)
    for module in copied.modules():
        if callable(fold := getattr(module, "update_params", None)):
            fold()
            vars(module)["update_params"] = lambda: None
    return copied


def describe(network: nn.Module) -> Any:
    """Return spandrel's descriptor of a network that one of its classes made; None where its loader knows it not."""
    spandrel = import_spandrel()
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(action="ignore"):  # the seed is the user's
            return spandrel.MAIN_REGISTRY.load(dict(network.state_dict()))
    except Exception:  # loaders take hyperparameters from shapes, and raise anything
        return None
