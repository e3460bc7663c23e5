"""A dial of texture: mixtures of a model of the mean with its twin, which invents texture."""

import copy
from dataclasses import dataclass, field, replace

import torch
from torch import nn

from mapsr_cli.errors import UsageError
from mapsr_cli.networks import Blend
from mapsr_cli.zoo.checkpoint import Model, load_model
from mapsr_cli.zoo.finding import find_model
from mapsr_cli.zoo.manifest import read_manifest, weights_folder

MEAN, TEXTURE = "-affmse", "-affgan"
"""How the names of two twins end: texture 0 and texture 1."""
RELATED = 0.25
"""Distance of the weights of twins, relative to their norm, up to which one is taken to be trained from the other."""


@dataclass(frozen=True, eq=False)
class Textured(Model):
    """(1 − texture) of the mean, and texture of its twin. Its card is the mean's.

    Where one was trained from the other, their weights are interpolated: that takes one pass, and has a fainter grid
    than the mixture of their estimates, which is what others get (docs/log/texture.md). Either gives x back.
    """

    mean: Model = field(kw_only=True)
    """Texture 0."""
    twin: Model = field(kw_only=True)
    """Texture 1."""
    texture: float = field(kw_only=True)
    """0 … 1."""

    @property
    def identity(self) -> str:
        """The names of both."""
        return f"{self.mean.identity} + {self.twin.identity}"

    @property
    def invents(self) -> bool:
        """Whether any of the twin is in it."""
        return self.texture > 0

    @property
    def halves_measured(self) -> bool:
        """Whether it is known of both what half precision costs."""
        return self.mean.halves_measured and self.twin.halves_measured

    def at(self, texture: float) -> "Textured":
        """Make another mixture of the two. Raises UsageError for less than 0 or more than 1."""
        return textured(self.mean, texture, self.twin)


def twins() -> dict[str, str]:
    """List the models of the mean that have a twin, and it, by name."""
    listed = read_manifest(weights_folder())
    pairs = {name: name.removesuffix(MEAN) + TEXTURE for name in sorted(listed) if name.endswith(MEAN)}
    return {mean: twin for mean, twin in pairs.items() if twin in listed}


def textured(model: Model, texture: float, twin: Model | None = None) -> Textured:
    """Make a mixture of a model and its twin; `model` may be either of them. `twin`: by default, found by its name.

    Raises UsageError for a model without a twin, two that do not fit together, and a texture outside 0 … 1; as
    `find_model` and `load_model` for a twin that is not there.
    """
    if not 0 <= texture <= 1:
        raise UsageError(f"a texture of {texture:g}", "0, the mean of what is plausible, to 1, invented texture")
    mean, second = (model, twin) if twin is not None else _both(model)
    alike = mean.kernel == second.kernel and mean.constraint.projects and second.constraint.projects
    same = mean.network.detail == second.network.detail and not (mean.noise_dim or second.noise_dim)
    if not (alike and same and mean.pinv is None and second.pinv is None):
        raise UsageError(f"{mean.card.name} and {second.card.name} cannot be mixed", "they are not for the same task")
    card = replace(mean.card, error_bars=None if texture else mean.card.error_bars)
    return Textured(
        card,
        _between(mean.network, second.network, texture),
        mean.kernel,
        file=mean.file,
        sha256=mean.sha256,
        mean=mean,
        twin=second,
        texture=texture,
    )


def _between(mean: nn.Module, twin: nn.Module, share: float) -> nn.Module:
    """Make the network of a mixture: of their weights where they are related, else of their estimates."""
    if not _related(mean, twin):
        return Blend(mean, twin, share).eval()
    network, other = copy.deepcopy(mean), twin.state_dict()
    network.load_state_dict({name: torch.lerp(value, other[name], share) for name, value in mean.state_dict().items()})
    return network


def _related(mean: nn.Module, twin: nn.Module) -> bool:
    """Tell whether two networks have one architecture, and weights near to one another, all of them floats."""
    if type(mean) is not type(twin) or mean.config != twin.config:
        return False
    ours, theirs = mean.state_dict().values(), twin.state_dict().values()
    if not all(value.is_floating_point() for value in ours):  # counts, as batch normalisation's, have no mixture
        return False
    norm = sum(float(a.double().square().sum()) for a in ours)
    distance = sum(float((a.double() - b.double()).square().sum()) for a, b in zip(ours, theirs, strict=True))
    return distance <= RELATED**2 * norm


def _both(model: Model) -> tuple[Model, Model]:
    """Return the model of the mean and its twin, of which `model` is one."""
    for names in twins().items():
        if model.card.name in names:
            other = names[0] if model.card.name == names[1] else names[1]
            found = load_model(find_model(other))
            return (model, found) if model.card.name == names[0] else (found, model)
    raise UsageError(
        f"{model.card.name} has no twin that invents texture", f"texture is for {', '.join(twins())} and their twins"
    )
