"""What an estimate invents, leaves out and improves: opensr-test's correctness, and sFRC's fake patches.

Each pixel is judged by three distances, between the LR image enlarged bilinearly (r), the estimate (y) and HR (t):
D(y, t) and D(y, r), both relative to D(r, t). Near t it is an improvement; near r an omission; far from both it is
invented (Aybar et al., "A comprehensive benchmark for optical remote sensing image super-resolution", 2024).
"""

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mapsr_cli.evaluation.metrics import luma
from mapsr_cli.evaluation.protocol import PEAK, Pair
from mapsr_cli.evaluation.ring_correlation import count_fake

BORDER = 16
"""HR pixels a side that are not judged, at most."""
_RATE = 0.05
"""λ of the three scores."""
_TEMPERATURE = 0.25
"""Of the softmin over them."""
_QUIET = 0.75
"""Share of pixels that count as without detail, by D(r, t)."""
_EPSILON = 1e-8


def hallucination(y: Tensor, pair: Pair) -> Mapping[str, float]:
    """Judge an estimate [3, H, W] in [0, 1]: `improvement`, `omission`, `hallucination`; `fake_patches`, a share."""
    ours, truth = (PEAK * luma(image.double()) for image in (y, pair.hr / PEAK))
    fake, judged = count_fake(ours, truth, pair.scale)
    return {**correctness(y, pair), **({"fake_patches": fake / judged} if judged else {})}


def correctness(y: Tensor, pair: Pair) -> Mapping[str, float]:
    """Compute the shares `improvement`, `omission` and `hallucination` of an estimate [3, H, W] in [0, 1]: sum 1.

    As `opensr_test.Metrics().compute`, but for its registration: an estimate lies on HR's pixels, and a shift of it is
    a mistake of its own. Only pixels are judged where one of the distances is above the third quartile of D(r, t). No
    figures where the sizes' ratio is no whole number, or nothing is left to judge.
    """
    scale = pair.hr.shape[-1] / pair.lr.shape[-1]
    if not scale.is_integer() or min(pair.hr.shape[-2:]) <= 2 * BORDER:
        return {}
    margin = BORDER // int(scale)
    lr = _cropped(pair.lr / PEAK, margin)
    y, truth = (_cropped(image, margin * int(scale)) for image in (y, pair.hr / PEAK))
    enlarged = functional.interpolate(lr[None], scale_factor=scale, mode="bilinear", antialias=True)[0]
    y = matched(y, truth)
    d_ref, d_im, d_om = _distance(enlarged, truth), _distance(y, truth), _distance(y, enlarged)
    quiet = d_ref.flatten().kthvalue(max(int(_QUIET * d_ref.numel()), 1)).values
    judged = (d_ref > quiet) | (d_im > quiet) | (d_om > quiet)
    im, om = (d_im / d_ref)[judged], (d_om / d_ref)[judged]
    shares = _shares(im, om)
    names = ("improvement", "omission", "hallucination")
    return {} if shares is None else dict(zip(names, shares.tolist(), strict=True))


def _shares(im: Tensor, om: Tensor) -> Tensor | None:
    """Average the softmin of the three scores over pixels: relative distances [n] → [3]."""
    beyond = 1 - torch.exp(-_RATE * (im + om - 1))
    scores = torch.stack([im + om * beyond, om + im * beyond, torch.exp(-_RATE * im * om)])
    weights = torch.exp(-scores / _TEMPERATURE)
    shares = (weights / weights.sum(0)).nanmean(1)  # no number where r = t
    return shares if all(math.isfinite(share) for share in shares.tolist()) else None


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Compute the mean of |a − b| / |a + b| over colours: [C, H, W] → [H, W]."""
    return ((a - b).abs() / (a + b + _EPSILON).abs()).nanmean(0)


def matched(y: Tensor, truth: Tensor) -> Tensor:
    """Give each channel of y [C, H, W] the histogram of the truth's: the value of equal rank, interpolated."""
    return torch.stack([_matched(*channels) for channels in zip(y, truth, strict=True)])


def _matched(y: Tensor, truth: Tensor) -> Tensor:
    _, place, counts = torch.unique(y, return_inverse=True, return_counts=True)
    values, like = torch.unique(truth, return_counts=True)
    ranks, known = ((of.cumsum(0) / of.sum()).double().numpy() for of in (counts, like))
    return torch.from_numpy(np.interp(ranks, known, values.double().numpy())).to(y.dtype)[place]


def _cropped(image: Tensor, border: int) -> Tensor:
    return image.float()[:, border : image.shape[1] - border, border : image.shape[2] - border]
