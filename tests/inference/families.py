"""Every architecture family of spandrel 0.4.2 that upscales, as small as its loader lets it be, at ×4.

A family's own package in spandrel.architectures makes the network; what its loader reads back from shapes alone (heads,
groups, the tail's depth) has to be as its loader guesses.
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class Family:
    """One of spandrel's packages."""

    build: Callable[[Any], nn.Module]
    """From the package to a network."""
    package: str = ""
    """Its name, if it is not the family's."""


_SWIN = {"embed_dim": 12, "depths": (2,), "num_heads": (2,), "window_size": 8, "upscale": 4}
_SHUFFLED = {**_SWIN, "upsampler": "pixelshuffle"}
_STYLE = {"dim_in": 16, "dim_out": 64, "depth": 1}

FAMILIES = {
    "ATD": Family(lambda m: m.ATD(**_SHUFFLED, num_tokens=8, reducted_dim=4)),
    "AuraSR": Family(lambda m: m.AuraSR(dim=8, image_size=None, input_image_size=None, style_network=_STYLE)),
    "CRAFT": Family(lambda m: m.CRAFT(embed_dim=12, depths=[1], num_heads=[2], upscale=4)),
    "Compact": Family(lambda m: m.Compact(num_feat=8, num_conv=2, upscale=4)),
    "DAT": Family(lambda m: m.DAT(embed_dim=16, depth=[2], num_heads=[2], split_size=[4, 4], upscale=4)),
    "DCTLSA": Family(lambda m: m.DCTLSA(nf=20, num_modules=6, num_head=5, upscale=4)),
    "DITN": Family(lambda m: m.DITN(dim=12, ITL_blocks=1, SAL_blocks=1, UFONE_blocks=1, upscale=4)),
    "DRCT": Family(lambda m: m.DRCT(**_SHUFFLED, gc=4)),
    "ESRGAN": Family(lambda m: m.ESRGAN(num_filters=8, num_blocks=1, scale=4)),
    "FDAT": Family(lambda m: m.FDAT(embed_dim=16, num_groups=1, depth_per_group=2, num_heads=2, mid_dim=16)),
    "GRL": Family(
        lambda m: m.GRL(
            embed_dim=12,
            depths=[2],
            num_heads_window=[2],
            num_heads_stripe=[2],
            upscale=4,
            upsampler="pixelshuffle",
        )
    ),
    "HAT": Family(lambda m: m.HAT(**_SWIN, squeeze_factor=3, num_feat=16)),
    "IPT": Family(lambda m: m.IPT(patch_size=12, patch_dim=3, n_feats=8, scale=[4], num_layers=1)),
    "MMRealSR": Family(
        lambda m: m.MMRealSR(
            num_in_ch=3,
            num_out_ch=3,
            num_feat=16,
            num_block=1,
            num_grow_ch=8,
            num_feats=[16] * 4,
            num_blocks=[1] * 4,
        )
    ),
    "MoESR": Family(lambda m: m.MoESR(dim=8, n_blocks=1, n_block=1, upsample_dim=16)),
    "MoSR": Family(lambda m: m.MoSR(n_block=1, dim=16)),
    "OmniSR": Family(lambda m: m.OmniSR(num_feat=8)),
    "PLKSR": Family(lambda m: m.PLKSR(dim=16, n_blocks=1)),
    "RealPLKSR": Family(lambda m: m.RealPLKSR(dim=16, n_blocks=1), "PLKSR"),
    "RCAN": Family(lambda m: m.RCAN(n_resgroups=1, n_resblocks=1, n_feats=16, reduction=4)),
    "RGT": Family(lambda m: m.RGT(embed_dim=12, depth=[2], num_heads=[2], upscale=4)),
    "RealCUGAN": Family(lambda m: m.UpCunet4x()),
    "SAFMN": Family(lambda m: m.SAFMN(dim=8, n_blocks=1)),
    "SPAN": Family(lambda m: m.SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8)),
    "SeemoRe": Family(lambda m: m.SeemoRe(embedding_dim=8, num_layers=1, num_experts=3)),
    "SwiftSRGAN": Family(lambda m: m.SwiftSRGAN(num_channels=8, num_blocks=1)),
    "Swin2SR": Family(lambda m: m.Swin2SR(**_SHUFFLED)),
    "SwinIR": Family(lambda m: m.SwinIR(**_SHUFFLED)),
}

NO_UPSCALING = {
    "DnCNN": Family(lambda m: m.DnCNN(nc=8, nb=3)),
    "LaMa": Family(lambda m: m.LaMa(in_nc=4, out_nc=3)),
    "SCUNet": Family(lambda m: m.SCUNet(config=[1] * 7, dim=8)),
}
"""A few of those that do not: restoration at its own size, and inpainting."""


def random_weights(name: str) -> dict[str, Tensor]:
    """A family's, as it initialises them, from a fixed seed."""
    family = (FAMILIES | NO_UPSCALING)[name]
    package = import_module(f"spandrel.architectures.{family.package or name}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return {key: tensor.clone() for key, tensor in family.build(package).state_dict().items()}
