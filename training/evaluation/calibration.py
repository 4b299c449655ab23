"""Whether a colour distribution means what it says: true colours lie in its sets as often as stated.

References
----------
.. [1] Romano, Sesia and Candes, "Classification with valid and adaptive coverage", NeurIPS 2020: the sets of
   the oracle classifier.
.. [2] Guo et al., "On calibration of modern neural networks", ICML 2017, 4.2 (temperature scaling).
"""

import numpy as np

from training.grid_colour import softmax

TEMPERATURES = (0.1, 10.0)  # between them the best is looked for
BISECTIONS = 12
LEAST_PROBABILITY = 1e-6  # of a colour: half of the least that a map can store stands for its zero


def inside_smallest_set(probabilities: np.ndarray, bins: np.ndarray, level: float) -> np.ndarray:
    """How far each true colour lies inside the smallest set of colours that reaches a probability.

    The likeliest colours make the set, and the last one belongs to it in part ([1]_, whose random choice is replaced
    by its chance): so the mean is `level` exactly where the distribution is the true one.

    Parameters
    ----------
    probabilities : ndarray of float, shape (bins, ...)
        Their sum over the first axis is 1.
    bins : ndarray of int, shape (...)
        Index of the true colour.
    level : float
        Probability of the set, in ]0, 1[.

    Returns
    -------
    ndarray of float, shape (...)
        1 inside, 0 outside, between them for the last colour of the set.
    """
    order = np.argsort(-probabilities, axis=0, kind="stable")
    sums = np.cumsum(np.take_along_axis(probabilities, order, axis=0), axis=0)
    place = (order == bins).argmax(axis=0)[None]
    own = np.take_along_axis(probabilities, bins[None], axis=0)[0]
    before = np.take_along_axis(sums, place, axis=0)[0] - own
    return np.clip((level - before) / np.maximum(own, np.finfo(float).tiny), 0, 1)


def stored_probabilities(distribution: np.ndarray) -> np.ndarray:
    """Probabilities of the distribution of a map, none of them 0: float64, same shape, sum 1 over the first axis."""
    probabilities = np.maximum(np.square(distribution / 255), LEAST_PROBABILITY)
    return probabilities / probabilities.sum(axis=0)


def tempered(probabilities: np.ndarray, temperature: float) -> np.ndarray:
    """Softmax of log p / T [2]_ over the first axis: flatter for T above 1, sharper below.

    Parameters
    ----------
    probabilities : ndarray of float, shape (bins, ...)
        Greater than 0.
    temperature : float
        T, greater than 0.
    """
    return softmax(np.log(probabilities) / temperature)


def log_likelihood(probabilities: np.ndarray, bins: np.ndarray) -> float:
    """Mean natural logarithm of the probability of the true colours; see `inside_smallest_set`."""
    return float(np.log(np.take_along_axis(probabilities, bins[None], axis=0)).mean())


def best_temperature(probabilities: np.ndarray, bins: np.ndarray) -> float:
    """The temperature of the greatest log-likelihood [2]_, to a thousandth.

    There the log p of the true colours is on average what the tempered distribution expects of it, which falls with T.

    Parameters
    ----------
    probabilities : ndarray of float, shape (bins, ...)
        Greater than 0.
    bins : ndarray of int, shape (...)
        Index of the true colour.
    """
    found = log_likelihood(probabilities, bins)
    logits = np.log(probabilities)
    low, high = np.log(TEMPERATURES)
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if (tempered(probabilities, np.exp(middle)) * logits).sum(axis=0).mean() > found:
            low = middle
        else:
            high = middle
    return float(np.exp((low + high) / 2))
