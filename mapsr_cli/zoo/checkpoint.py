"""A generator's checkpoint: safetensors, with a card that says what the tensors are and how they came to be."""

from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from textwrap import shorten
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from mapsr_cli.errors import CheckpointError, MapsrError, UsageError
from mapsr_cli.networks import (
    AffineConvolution,
    AnyGeneratorConfig,
    Constraint,
    Estimator,
    FirstGuess,
    Foreign,
    MlpGenerator,
    Named,
    architecture_of,
    build,
    for_use,
    make_constraint,
    memory_format_of,
    noise_dim_of,
    read_config,
    told_of,
)
from mapsr_cli.networks.named import OWN, SPANDREL
from mapsr_cli.operators import Kernel
from mapsr_cli.operators.fit_pinv import MOST_TAPS
from mapsr_cli.zoo.card import Card, describe_kernel, parse_card, restore_kernel
from mapsr_cli.zoo.manifest import sha256_of
from mapsr_cli.zoo.sealed import restore, write_checkpoint, write_tensors

HALVES = frozenset({torch.float16, torch.bfloat16})
"""Half-precision types, in which every network of mapsr's computes."""
_AVERAGING = ("mse", "mae", "affmse", "affmae")
"""Methods that teach a network the mean, or the median, of what is plausible."""
_TAP_TOLERANCE = 1e-12
"""How far a tap may lie from what this machine computes: exp and sin differ in the last bit between machines."""


@dataclass(frozen=True, eq=False)
class Model:
    """A network ready for inference, with its card."""

    card: Card
    network: nn.Module
    kernel: Kernel
    pinv: Tensor | None = field(default=None, kw_only=True)
    """Kernels of a learnt A⁺ [scale², k, k], under which it was trained; None: the exact A⁺."""
    file: str = field(default="", kw_only=True)
    """Name of the file that it was read from; empty for one that no file holds yet."""
    sha256: str = field(default="", kw_only=True)
    """Of that file."""

    @cached_property
    def constraint(self) -> Constraint:
        """What ties its estimates to their originals."""
        return make_constraint(self.card.constraint, self.kernel, pinv=self.pinv, guess=self.guess)

    @property
    def guess(self) -> FirstGuess:
        """What is taken for A y before the evidence is asked, where its estimate is projected."""
        if self.card.constraint != "affine":
            return "picture"
        return "detail" if told_of(self.network) else "original"

    def estimator(self, clamp: bool = False) -> Estimator:
        """Make ŷ = Π f(x) of it, as it was trained; see `networks.Estimator`."""
        return Estimator(self.network, self.constraint, clamp)

    @property
    def identity(self) -> str:
        """What tells it from every other, for the files that it makes."""
        return self.card.name

    @property
    def receptive_field(self) -> int:
        """Radius of the receptive field: LR pixels on each side that an output pixel depends on."""
        return int(self.network.receptive_field)  # type: ignore[arg-type]

    @property
    def takes_pictures(self) -> bool:
        """Whether it takes photographs of any size: not the toy."""
        return getattr(self.network.config, "colours", 0) == 3 and not isinstance(self.network, MlpGenerator)

    @property
    def needs_projection(self) -> bool:
        """Whether f is no picture without Π, under which it was trained."""
        return self.constraint.projects and not self.network.detail

    @property
    def invents(self) -> bool:
        """Whether its detail is one likely picture, not the mean or median of all: so unless trained by MSE or MAE."""
        return self.card.method not in _AVERAGING

    @property
    def noise_dim(self) -> int:
        """Noise maps that the network takes beside x; 0 for one that is deterministic."""
        return noise_dim_of(self.network)

    @property
    def period(self) -> int:
        """LR pixels by whose multiples a tile, with its halo, may start."""
        return self.network.period if isinstance(self.network, Foreign) else 1

    @property
    def seamless(self) -> bool:
        """Whether tiles with a halo of the receptive field's radius are equal to the whole."""
        return not isinstance(self.network, Foreign) or self.network.radius is not None

    @property
    def dtypes(self) -> frozenset[torch.dtype]:
        """Types that the network computes in."""
        halves = self.network.halves if isinstance(self.network, Foreign) else HALVES
        return halves | {torch.float32}

    @property
    def halves_measured(self) -> bool:
        """Whether it is known what half precision costs: only then may `auto` choose it.

        Of other authors' networks it is not, and some that claim bf16 fail in it.
        """
        return not isinstance(self.network, Foreign)

    @property
    def memory_format(self) -> torch.memory_format:
        """How its tensors lie in memory when it runs."""
        return memory_format_of(self.network)


def model_of(estimator: Estimator, name: str, **card: Any) -> Model:
    """Make a model of an estimator that no file holds yet; `card` gives fields of its card that it cannot tell."""
    network = for_use(estimator.generator)
    config: Any = network.config
    kernel, constraint = estimator.kernel, estimator.constraint
    described = Card(
        name=name,
        architecture=architecture_of(config),
        config=asdict(config),
        kernel=describe_kernel(kernel),
        constraint=constraint.kind,
        **{"method": "", **card},
    )
    pinv = constraint.kernels if isinstance(constraint, AffineConvolution) else None
    return Model(described, network, kernel, pinv=pinv)


def save_model(
    path: Path, network: nn.Module, card: Card, dtype: torch.dtype = torch.float32, pinv: Tensor | None = None
) -> None:
    """Write weights in `dtype` (float32, float16 or bfloat16), a learnt A⁺ if there is one, and the card; to a
    temporary file first.

    `pinv`: as in `Model`. Raises CheckpointError for a card that could not be read back.
    """
    card = replace(card, pinv_taps=0 if pinv is None else pinv.shape[-1])
    parse_card(header := card.to_header(), path)
    write_checkpoint(path, _stored(network, card, pinv), header, dtype)


def _stored(network: nn.Module, card: Card, pinv: Tensor | None) -> nn.Module:
    """Choose the module whose tensors the file holds: the network, or with a learnt A⁺ the estimator."""
    if pinv is None:
        return network
    return Estimator(network, make_constraint(card.constraint, card.make_kernel(), pinv=pinv))


def rewrite_card(source: Path, target: Path, card: Card) -> None:
    """Copy a checkpoint's tensors bit for bit beside another card. Raises CheckpointError, FileError."""
    load_model(source)
    parse_card(header := card.to_header(), target)
    write_tensors(target, load_file(source), header)


def load_model(path: Path) -> Model:
    """Read a checkpoint into a float32 network in eval mode.

    Raises CheckpointError, in one line, for a file that is damaged, of an unknown format, or whose tensors are not
    exactly the network's that its header describes, all finite.
    """

    def understand(header: dict[str, Any]) -> tuple[Card, Kernel, AnyGeneratorConfig]:
        card = parse_card(header, path)
        kernel = read_kernel(card.kernel, path)
        if card.pinv_taps > MOST_TAPS:
            raise CheckpointError(f"{path}: the header describes no A⁺ (taps are not 1 to {MOST_TAPS})")
        try:
            make_constraint(card.constraint, kernel)
        except UsageError as error:
            raise CheckpointError(f"{path}: {error}", "update mapsr") from error
        return card, kernel, _config(card, path)

    def unfilled(description: tuple[Card, Kernel, AnyGeneratorConfig]) -> nn.Module:
        card, kernel, config = description
        taps = card.pinv_taps
        return _stored(build(config), card, torch.zeros(kernel.scale**2, taps, taps) if taps else None)

    (card, kernel, _), stored = restore(path, understand, unfilled)
    network, pinv = stored, None
    if isinstance(stored, Estimator):
        network, pinv = stored.generator, stored.constraint.get_parameter("kernels")
    if isinstance(network, Named):
        network.check()
    return Model(card, network, kernel, pinv=pinv, file=path.name, sha256=sha256_of(path))


def _config(card: Card, path: Path) -> AnyGeneratorConfig:
    try:
        config = read_config(card.architecture, card.config)
    except UsageError as error:
        message = f"{path}: the header describes no network ({shorten(str(error), 200)})"
        named = card.architecture.startswith((OWN, SPANDREL))
        raise CheckpointError(message, error.hint if named else "update mapsr") from error
    if not isinstance(config, AnyGeneratorConfig):
        raise CheckpointError(f"{path}: '{card.architecture}' does not upscale")
    if card.scale != config.scale:
        raise CheckpointError(f"{path}: the network is ×{config.scale} but its kernel ×{card.scale}")
    return config


def read_kernel(described: dict[str, Any], path: Path) -> Kernel:
    """Build A from its description. Raises CheckpointError unless the taps that it states are the kernel's."""
    try:
        kernel = restore_kernel(described)
        built = describe_kernel(kernel)
    except (MapsrError, LookupError, TypeError, ValueError) as error:
        raise CheckpointError(f"{path}: the header describes no kernel ({shorten(str(error), 200)})") from error
    alike = described.keys() == built.keys() and all(
        described[key] == value for key, value in built.items() if key not in ("taps", "sha256")
    )
    if not (alike and _close(described["taps"], built["taps"])):
        raise CheckpointError(f"{path}: the header's taps are not those of {kernel.describe()}")
    return kernel


def _close(stored: Any, taps: Any) -> bool:
    if isinstance(taps, list):
        alike = isinstance(stored, list) and len(stored) == len(taps)
        return alike and all(_close(s, t) for s, t in zip(stored, taps, strict=True))
    return isinstance(stored, float) and abs(stored - taps) <= _TAP_TOLERANCE
