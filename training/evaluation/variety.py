"""How different the variants of a picture are, and whether one of them comes near the truth.

References
----------
.. [1] Zhu et al., "Toward multimodal image-to-image translation", NeurIPS 2017 (diversity: mean
   distance of pairs).
"""

from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from training.evaluation.grid_truth import small_rgb8
from training.evaluation.metrics import ciede2000, psnr_db


class Nearness(NamedTuple):
    """How near a small picture comes to the true one."""

    ciede2000: float
    psnr_db: float


def pairwise_difference(labs: Sequence[np.ndarray]) -> float:
    """Mean CIEDE2000 over all pairs of variants ([1]_ does so with another distance): 0 where they are all the same.

    Parameters
    ----------
    labs : sequence of ndarray of float, shape (y, x, 3)
        CIE Lab of two variants or more.
    """
    return float(np.mean([ciede2000(first, second).mean() for first, second in combinations(labs, 2)]))


def nearness(lab: np.ndarray, true_lab: np.ndarray) -> Nearness:
    """CIEDE2000, mean over cells, and PSNR of the small picture in sRGB.

    Parameters
    ----------
    lab, true_lab : ndarray of float, shape (y, x, 3)
        CIE Lab, of one lightness.
    """
    return Nearness(float(ciede2000(lab, true_lab).mean()), psnr_db(small_rgb8(lab), small_rgb8(true_lab)))


def best(found: Sequence[Nearness]) -> Nearness:
    """The best of several, in each figure for itself."""
    return Nearness(min(one.ciede2000 for one in found), max(one.psnr_db for one in found))
