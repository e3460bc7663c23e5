"""Networks that the command line names: a class in a file of one's own, an entry point, or spandrel's architectures.

A checkpoint holds the arguments and the weights of such a network, never the place of its code: what is imported is
what `name_network` was told of, or a key of spandrel's registry.
"""

import hashlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, fields, make_dataclass
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from textwrap import shorten
from types import ModuleType
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional

from mapsr_cli.configs import Count, NonNegative
from mapsr_cli.errors import UsageError, did_you_mean
from mapsr_cli.networks import spandrel_library
from mapsr_cli.networks.foreign import Foreign

SPANDREL, OWN = "spandrel:", "own:"
"""Beginnings of an architecture's name in a checkpoint."""
GROUP = "mapsr.networks"
"""Entry points of installed packages: a name, and a network's class."""
SCALE = ("scale", "upscale", "upscale_factor", "up_scale", "upscaling_factor", "scale_factor")
COLOURS = ("colours", "colors", "in_channels", "out_channels", "in_chans", "in_ch", "out_ch", "num_in_ch",
           "num_out_ch", "in_nc", "out_nc", "inp_channels")  # fmt: skip
"""Names of arguments that the run's scale and number of colours are given to."""
_PLAIN = (bool, int, float, str, list, tuple, type(None))
_TRIED = 16
"""LR pixels a side of the image that a new network is tried on."""


@dataclass(frozen=True, kw_only=True)
class NamedConfig:
    """Arguments of a network's class; `arguments_of` makes a kind of it for each class, with its own fields."""

    architecture: ClassVar[str]
    """As a checkpoint calls it: `own:MyNet`, `spandrel:SPAN`."""
    source: ClassVar[type[nn.Module]]
    """The class."""
    scale: Count = 4
    """HR pixels per LR pixel."""
    colours: Count = 3
    """Image channels."""
    noise_dim: NonNegative = 0
    """Noise maps that its forward takes as a second argument, where the class has an argument of this name."""

    def make(self) -> nn.Module:
        """Make the network. Raises UsageError where the class does not take the arguments."""
        parameters = inspect.signature(self.source).parameters
        if self.noise_dim and "noise_dim" not in parameters:
            raise UsageError(f"{self.architecture} takes no noise maps", "noise_dim is 0 without an argument of it")
        given = {}
        for name, parameter in parameters.items():
            if name in SCALE:
                given[name] = _like(parameter.default, self.scale)
            elif name in COLOURS:
                given[name] = self.colours
            elif hasattr(self, name):
                given[name] = _like(parameter.default, getattr(self, name))
        missing = [n for n, v in given.items() if v is None and parameters[n].default is inspect.Parameter.empty]
        hint = f"--set generator.{missing[0]}=…" if missing else ""
        module: nn.Module = _told(self.architecture, "cannot be built", lambda: self.source(**given), hint)
        return module


@dataclass(frozen=True)
class NetworkCode:
    """Where the code of a network that the command line named comes from."""

    architecture: str
    """`own:MyNet`, `spandrel:SPAN`."""
    place: str
    """`mynet.py:MyNet`, or the package and its version."""
    sha256: str = ""
    """Of the file; empty for packages."""


class Named(Foreign):
    """f by a class that the command line named; `module` is what the class made."""

    def __init__(self, config: NamedConfig) -> None:
        super().__init__()
        self.config, self.scale, self.colours = config, config.scale, config.colours
        # spandrel and others drop this prefix from the names of a file's tensors.
        self.module = config.make()
        self.detail = bool(getattr(self.module, "detail", False))
        self._requirements: Any = None
        self._stated = getattr(self.module, "receptive_field", None)

    def forward(self, x: Tensor, z: Tensor | None = None) -> Tensor:
        """Map x [N, colours, h, w] (and z [N, noise_dim, h, w]) to [N, colours, s·h, s·w].

        Raises UsageError for noise that it does not take, or lacks.
        """
        if (z is None) != (self.config.noise_dim == 0):
            what = "takes no noise" if z is not None else "needs noise maps z"
            raise UsageError(f"this generator {what}", "z goes with noise_dim > 0")
        if z is not None:
            y: Tensor = self.module(x, z)
            return y
        padded = self._padded(x)
        made = self.module(padded)
        y = made[0] if isinstance(made, tuple) else made  # MMRealSR tells of the degradation, too
        height, width = (self.scale * side for side in x.shape[-2:])
        return y if padded is x else y[..., :height, :width]

    def check(self) -> None:
        """Find out what sizes it takes, and try it. Raises UsageError unless it is a generator of its scale."""
        if self.config.architecture.startswith(SPANDREL) and (known := spandrel_library.describe(self.module)):
            self._requirements = known.size_requirements
            self.take_properties(known)
        side, place = max(_TRIED, self.least), next(self.parameters(), torch.empty(0))
        shape = (1, self.colours, side, side)
        x = torch.full(shape, 0.5, device=place.device, dtype=place.dtype)
        noise = (x.new_zeros(1, self.config.noise_dim, side, side),) if self.config.noise_dim else ()
        name = self.config.architecture
        with self.in_use():
            y = _told(name, f"fails at {side}×{side} pixels", lambda: self(x, *noise))
        wanted = [1, self.colours, self.scale * side, self.scale * side]
        if not isinstance(y, Tensor) or list(y.shape) != wanted:
            got = list(y.shape) if isinstance(y, Tensor) else type(y).__name__
            raise UsageError(f"{name} makes {got} of {list(shape)}, not {wanted}", "a generator upscales by --scale")
        _ = self.radius  # measured now: not while a graph of it is made

    def stated_radius(self) -> int | None:
        """Return the receptive field's radius as the class states it; None where it does not."""
        return None if self._stated is None else int(self._stated)

    def _padded(self, x: Tensor) -> Tensor:
        """Extend an image to a size that the architecture takes."""
        if self._requirements is None:
            return x
        height, width = x.shape[-2:]
        right, bottom = self._requirements.get_padding(width, height)
        if not (right or bottom):
            return x
        mirrors = right < width and bottom < height
        return functional.pad(x, (0, right, 0, bottom), "reflect" if mirrors else "replicate")


def _told(name: str, what: str, call: Callable[[], Any], hint: str = "") -> Any:
    """Return what `call` returns; raise UsageError, in one line, where the network's own code fails."""
    try:
        return call()
    except UsageError:
        raise
    except Exception as error:
        reason = shorten(str(error) or type(error).__name__, 200)
        raise UsageError(f"{name} {what} ({type(error).__name__}: {reason})", hint) from error


def _like(default: Any, value: Any) -> Any:
    """Return a value as the kind of sequence that the class's own default is."""
    if isinstance(default, tuple) and isinstance(value, list):
        return tuple(value)
    return [value] if isinstance(default, list) and not isinstance(value, list | tuple) else value


def arguments_of(architecture: str, source: type[nn.Module]) -> type[NamedConfig]:
    """Make the config of a class: its arguments with plain defaults, or none, beside scale, colours and noise."""
    own: list[tuple[str, Any, Any]] = []
    known = {f.name for f in fields(NamedConfig)} | {*SCALE, *COLOURS}
    for name, parameter in inspect.signature(source).parameters.items():
        default = parameter.default
        if name in known or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if default is parameter.empty:
            own.append((name, Any, None))
        elif _is_plain(default):
            own.append((name, _kind(parameter), field(default_factory=partial(_same, default))))
    namespace = {"architecture": architecture, "source": source}
    kind = make_dataclass("Arguments", own, bases=(NamedConfig,), namespace=namespace, frozen=True, kw_only=True)
    kind.__doc__ = f"Arguments of {architecture}."
    return kind


def _same(value: Any) -> Any:
    """Return the value itself."""
    return value


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)


def _kind(parameter: inspect.Parameter) -> Any:
    """Return the type of a setting by its default: another kind of value is a mistake, but for sequences and None."""
    if parameter.annotation in (float, "float") and parameter.default is not None:
        return float
    return type(parameter.default) if isinstance(parameter.default, bool | str | int | float) else Any


_OWN: dict[str, type[NamedConfig]] = {}
"""Configs of what `name_network` was told of, by architecture."""


def find_arguments(architecture: str) -> type[NamedConfig] | None:
    """Return the config of a named architecture; None for a name of another kind.

    Raises UsageError for one whose code nobody named, or that spandrel does not have.
    """
    if architecture.startswith(SPANDREL):
        return arguments_of(architecture, spandrel_library.find_class(architecture.removeprefix(SPANDREL)))
    if architecture.startswith(OWN) and architecture not in _OWN:
        name = shorten(architecture.removeprefix(OWN), 80)
        raise UsageError(f"'{name}' is a network of its author's own code", f"--network FILE.py:{name} gives it")
    return _OWN.get(architecture)


def name_network(spec: str) -> NetworkCode:
    """Import a network's code, which checkpoints may then hold the weights of.

    `spec`: `FILE.py:Class`; `spandrel:SPAN`; or the name of an entry point in the group `mapsr.networks`. Raises
    UsageError for what is not there or fails, and as `import_spandrel`.
    """
    if spec.startswith(SPANDREL):
        find_arguments(spec)
        return NetworkCode(spec, f"spandrel {spandrel_library.import_spandrel().__version__}")
    path, _, name = spec.rpartition(":")
    if not path.endswith(".py"):
        return _entry_point(spec)
    source = getattr(_imported(Path(path)), name, None)
    _register(name, source, spec)
    return NetworkCode(OWN + name, f"{Path(path).name}:{name}", hashlib.sha256(Path(path).read_bytes()).hexdigest())


def _entry_point(name: str) -> NetworkCode:
    found = {point.name: point for point in entry_points(group=GROUP)}
    if name not in found:
        hint = did_you_mean(name, found) if found else "FILE.py:Class, spandrel:NAME, or an entry point's name"
        raise UsageError(f"no network '{shorten(name, 80)}'", hint)
    point = found[name]
    _register(name, _told(f"entry point {name}", "cannot be imported", point.load), point.value)
    package = f"{point.dist.name} {point.dist.version}" if point.dist else point.value
    return NetworkCode(OWN + name, package)


def _register(name: str, source: Any, spec: str) -> None:
    if not (inspect.isclass(source) and issubclass(source, nn.Module)):
        raise UsageError(f"{spec} is no class of an nn.Module", "--network FILE.py:Class")
    _OWN[OWN + name] = arguments_of(OWN + name, source)


def _imported(path: Path) -> ModuleType:
    """Import a file as Python runs a script: what lies beside it can be imported."""
    name = "mapsr_network_" + re.sub(r"\W", "_", path.stem)
    found = importlib.util.spec_from_file_location(name, path)
    if found is None or found.loader is None or not path.is_file():
        raise UsageError(f"{path}: no such file", "--network FILE.py:Class")
    module = importlib.util.module_from_spec(found)
    sys.modules[name] = module  # dataclasses look their module up
    sys.path.append(str(path.parent.absolute()))
    loader = found.loader
    try:
        _told(str(path), "cannot be imported", lambda: loader.exec_module(module))
    finally:
        sys.path.pop()
    return module
