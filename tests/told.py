"""A tiny model that is told what its original says, and corrects it by some levels."""

import torch
from torch import nn

from mapsr_cli.networks import Affine, Estimator, Slim, SlimConfig
from mapsr_cli.operators import TOLD, make_kernel
from mapsr_cli.zoo import Model, model_of


def told_model() -> Model:
    """As if it had learnt something; it does not do the same whatever it is told."""
    torch.manual_seed(3)
    network = Slim(SlimConfig(channels=8, blocks=1, wide_every=2, told=TOLD))
    nn.init.normal_(network.tail.weight, std=0.05)
    nn.init.normal_(network.head.weight, std=0.3)
    return model_of(Estimator(network.eval(), Affine(make_kernel("bicubic", 4), "detail")), "told")
