"""The losses of pix2pix, G* = arg min_G max_D L_cGAN(G, D) + lambda L_L1(G) [1]_, and of the other outputs.

References
----------
.. [1] Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, equations 1 to 4.
.. [2] Kendall and Gal, "What uncertainties do we need", NeurIPS 2017, equation 8 (with a Laplace distribution).
.. [3] Zhang et al., "Colorful image colorization", ECCV 2016, equation 2.
"""

from functools import cache

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.chroma_map import AB_STRIDE, DISTRIBUTION_STRIDE
from training.color import BIN_STEP, bin_centres
from training.network import AB_SCALE


def l1_loss(ab: Tensor, true_ab: Tensor) -> Tensor:
    """Mean absolute error of a* and b* ([1]_, equation 3), in their units."""
    return (ab - true_ab).abs().mean()


def discriminator_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    """-L_cGAN(G, D) ([1]_, equation 1): -mean log D(x, y) - mean log(1 - D(x, G(x)))."""
    return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()


def adversarial_loss(fake_logits: Tensor) -> Tensor:
    """-mean log D(x, G(x)): minimised instead of log(1 - D), which has no slope early ([1]_, 3.3)."""
    return F.softplus(-fake_logits).mean()


def scale_loss(log_scale: Tensor, ab: Tensor, true_ab: Tensor) -> Tensor:
    """Negative log-likelihood of a Laplace distribution of the stated scale ([2]_), the chroma itself left alone."""
    error = (ab.detach() - true_ab).abs().mean(dim=1, keepdim=True)
    return (error * torch.exp(-log_scale) + log_scale + np.log(2)).mean()


def distribution_loss(logits: Tensor, true_ab: Tensor) -> Tensor:
    """Cross entropy ([3]_) of the colour distribution with the colour at one pixel of each cell.

    One pixel is an unbiased sample of the cell's histogram, at a fraction of its cost.
    """
    stride = DISTRIBUTION_STRIDE // AB_STRIDE
    return F.cross_entropy(logits, nearest_bin(true_ab[:, :, stride // 2 :: stride, stride // 2 :: stride]))


def nearest_bin(ab: Tensor) -> Tensor:
    """Index into `bin_centres` of each colour: (N, 2, Y, X), divided by 110, to (N, Y, X) int64."""
    cells = torch.round(ab * (AB_SCALE / BIN_STEP)).long().clamp(-_CELLS, _CELLS) + _CELLS
    return _bin_table().to(ab.device)[cells[:, 0], cells[:, 1]]


_CELLS = int(AB_SCALE / BIN_STEP)


@cache
def _bin_table() -> Tensor:
    """The nearest bin of every cell of the grid of 10, shape (23, 23); cells outside the gamut get the closest."""
    axis = np.arange(-_CELLS, _CELLS + 1) * BIN_STEP
    cells = np.stack(np.meshgrid(axis, axis, indexing="ij"), -1)
    distance = np.square(cells[:, :, None] - bin_centres()).sum(-1)
    return torch.from_numpy(distance.argmin(-1))
