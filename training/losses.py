"""The losses of pix2pix, G* = arg min_G max_D L_cGAN(G, D) + lambda L_L1(G) [1]_, and of the other outputs.

References
----------
.. [1] Isola et al., "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017, equations 1 to 4.
.. [2] Kendall and Gal, "What uncertainties do we need", NeurIPS 2017, equation 8 (with a Laplace distribution).
.. [3] Zhang et al., "Colorful image colorization", ECCV 2016, equations 2 to 4.
.. [4] Zhang et al., "The unreasonable effectiveness of deep features as a perceptual metric", CVPR 2018, equation 1.
"""

from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from training.chroma_map import AB_STRIDE, DISTRIBUTION_STRIDE
from training.color import BIN_STEP, LAB_DELTA, WHITE, XYZ_TO_RGB, bin_centres
from training.network import AB_SCALE

if TYPE_CHECKING:
    from training.evaluation.perceptual import Lpips


def l1_loss(ab: Tensor, true_ab: Tensor, rarity: Tensor | None = None) -> Tensor:
    """Mean absolute error of a* and b* ([1]_, equation 3), in their units; each pixel weighs as its colour is rare."""
    error = (ab - true_ab).abs()
    return error.mean() if rarity is None else (error * rarity[nearest_bin(true_ab)][:, None]).mean()


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


def distribution_loss(logits: Tensor, true_ab: Tensor, rarity: Tensor | None = None) -> Tensor:
    """Cross entropy ([3]_, equation 2) of the colour distribution with the colour at one pixel of each cell.

    One pixel is an unbiased sample of the cell's histogram, at a fraction of its cost. It weighs as its colour is rare.
    """
    stride = DISTRIBUTION_STRIDE // AB_STRIDE
    bins = nearest_bin(true_ab[:, :, stride // 2 :: stride, stride // 2 :: stride])
    losses = F.cross_entropy(logits, bins, reduction="none")
    return losses.mean() if rarity is None else (losses * rarity[bins]).mean()


def perceptual_loss(lpips: "Lpips", lightness: Tensor, ab: Tensor, true_ab: Tensor) -> Tensor:
    """LPIPS ([4]_) of the coloured picture against the true chroma on the same lightness.

    Parameters
    ----------
    lpips : Lpips
        Its weights fixed.
    lightness : Tensor, shape (N, 1, Y, X)
        L* / 50 - 1.
    ab, true_ab : Tensor, shape (N, 2, Y / 2, X / 2)
        a* and b*, divided by 110.
    """
    looks = (lpips(_srgb(lightness, chroma)) for chroma in (ab, true_ab))
    parts = [((a - b).square() * w).sum(dim=1).mean() for a, b, w in zip(*looks, lpips.lin)]
    return torch.stack(parts).sum()


def _srgb(lightness: Tensor, ab: Tensor) -> Tensor:
    """SRGB in [-1, 1], shape (N, 3, Y, X), out of gamut clipped; differentiable."""
    chroma = F.interpolate(ab * AB_SCALE, scale_factor=2, mode="bilinear", align_corners=False)
    fy = ((lightness + 1) * 50 + 16) / 116
    f = torch.cat([fy + chroma[:, :1] / 500, fy, fy - chroma[:, 1:] / 200], dim=1)
    xyz = torch.where(f > LAB_DELTA, f**3, 3 * LAB_DELTA**2 * (f - 4 / 29))
    matrix = torch.as_tensor(XYZ_TO_RGB * WHITE, dtype=xyz.dtype, device=xyz.device)
    # a little above zero, where the slope of the power would be infinite
    linear = torch.einsum("ij,njyx->niyx", matrix, xyz).clamp(1e-4, 1)
    encoded = torch.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return (encoded * 2 - 1).contiguous(memory_format=torch.channels_last)


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
