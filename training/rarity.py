"""How rare each colour is: the class rebalancing of Zhang et al., "Colorful image colorization", ECCV 2016, 2.2."""

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from training.color import bin_centres, srgb_to_lab
from training.losses import nearest_bin
from training.network import AB_SCALE
from training.picture_sources import decode_rgb

SMOOTHING = 5.0  # standard deviation of the Gaussian in a*, b*
UNIFORM_SHARE = 0.5  # lambda: of an even distribution, mixed with that of the pictures
LOOKED_AT = 32  # pixels of each side


def colour_rarity(encoded: Iterable[bytes]) -> Tensor:
    """Weight of each bin of `bin_centres`: large for colours that are rare in the pictures; 1 on average over them.

    w is proportional to ((1 - lambda) p + lambda / Q)^-1, p being the smoothed distribution of the pictures over the Q
    bins (equation 4).
    """
    counts = np.zeros(len(bin_centres()))
    for data in encoded:
        lab = srgb_to_lab(np.asarray(decode_rgb(data).resize((LOOKED_AT, LOOKED_AT))) / np.float32(255))
        ab = torch.from_numpy(lab[..., 1:]).permute(2, 0, 1)[None] / AB_SCALE
        counts += np.bincount(nearest_bin(ab).numpy().ravel(), minlength=len(counts))
    shares = counts / counts.sum()
    squares = np.square(bin_centres()[:, None] - bin_centres()).sum(-1)
    kernel = np.exp(-squares / (2 * SMOOTHING**2))
    smooth = (kernel / kernel.sum(axis=0)) @ shares
    weights = 1 / ((1 - UNIFORM_SHARE) * smooth + UNIFORM_SHARE / len(shares))
    return torch.from_numpy((weights / (smooth @ weights)).astype(np.float32))
