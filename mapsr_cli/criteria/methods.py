"""Constraint × criterion, named: every method there is to train. A new one is a row."""

from dataclasses import dataclass
from typing import Literal

from mapsr_cli.criteria.base import Criterion, Judge, PriorLearner
from mapsr_cli.criteria.denoiser_guided import DenoiserGuided
from mapsr_cli.criteria.denoising import Denoising
from mapsr_cli.criteria.density import MaximumLikelihood
from mapsr_cli.criteria.density_guided import DensityGuided
from mapsr_cli.criteria.gan import GAN
from mapsr_cli.criteria.mae import MAE
from mapsr_cli.criteria.mse import MSE
from mapsr_cli.networks import ConstraintKind


@dataclass(frozen=True)
class Method:
    """What the estimate must obey, and what makes it good."""

    constraint: ConstraintKind
    """What ties the estimate to its LR image."""
    criterion: type[Criterion]
    """Built by `criterion(config, judge)`, with a config of type `criterion.Config`."""

    @property
    def needs(self) -> Judge:
        """What `judge` is."""
        return self.criterion.needs


METHODS = {
    "mse": Method("none", MSE),
    "mae": Method("none", MAE),
    "affmse": Method("affine", MSE),
    "affmae": Method("affine", MAE),
    "softgan": Method("soft", GAN),
    "affgan": Method("affine", GAN),
    "softdg": Method("soft", DenoiserGuided),
    "affdg": Method("affine", DenoiserGuided),
    "softll": Method("soft", DensityGuided),
    "affll": Method("affine", DensityGuided),
}

PRIORS: dict[Literal["denoiser", "density"], type[PriorLearner]] = {
    "denoiser": Denoising,
    "density": MaximumLikelihood,
}
"""What trains a judge beforehand: built by `learner(config, network)`, with a config of type `learner.Config`."""
