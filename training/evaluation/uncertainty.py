"""Whether a model is less sure where it is wrong.

References
----------
.. [1] Spearman, "The proof and measurement of association between two things", American J. of Psychology 15, 1904.
.. [2] Ilg et al., "Uncertainty estimates and multi-hypotheses networks for optical flow", ECCV 2018
   (sparsification curves).
"""

from collections.abc import Sequence

import numpy as np


def ab_error(ab: np.ndarray, true_ab: np.ndarray) -> np.ndarray:
    """Mean absolute error of a* and b* of each cell, what the uncertainty of a map expects: (2, y, x) to (y, x)."""
    return np.abs(np.subtract(ab, true_ab, dtype=np.float32)).mean(axis=0)


def spearman(first: np.ndarray, second: np.ndarray) -> float:
    """Rank correlation [1]_, equal values sharing their mean rank: 1 where both rise together, 0 where one is constant.

    Parameters
    ----------
    first, second : ndarray of one shape
        Numbers of any kind.
    """
    ranks = [_mean_ranks(values) for values in (first, second)]
    if any(np.ptp(rank) == 0 for rank in ranks):
        return 0.0  # who says the same everywhere knows nothing
    return float(np.corrcoef(ranks)[0, 1])


def _mean_ranks(values: np.ndarray) -> np.ndarray:
    _, group, sizes = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(sizes) - (sizes - 1) / 2)[group.ravel()]


def mean_of_surest(doubt: np.ndarray, difference: np.ndarray, shares: Sequence[float]) -> list[float]:
    """Mean difference to the truth of the surest cells: the sparsification curve of [2]_, read from its other end.

    Parameters
    ----------
    doubt, difference : ndarray of one shape
        Of each cell. Cells of equal doubt go in a random order, and the mean over all orders is given.
    shares : sequence of float
        How many of the cells are kept, in ]0, 1].
    """
    _, group = np.unique(doubt, return_inverse=True)
    group = group.ravel()
    mean = np.bincount(group, difference.ravel()) / np.bincount(group)
    curve = np.cumsum(mean[np.sort(group)]) / np.arange(1, group.size + 1)
    return [float(curve[max(0, round(share * group.size) - 1)]) for share in shares]
