"""Hints as somebody who knows the true colours would give them.

References
----------
.. [1] Zhang et al., "Real-time user-guided image colorization with learned deep priors", SIGGRAPH 2017: PSNR over the
   number of random points.
"""

from collections.abc import Sequence

import numpy as np

from training.color import lab_to_srgb
from training.evaluation.grid_truth import small_lab
from training.hint_channels import hint_channels
from training.hints import Hint

_ANY_COLOUR = (128, 128, 128)


def true_hints(rgb8: np.ndarray, points: Sequence[tuple[float, float]], small_shape: tuple[int, int]) -> list[Hint]:
    """Hints at points of a picture, each the mean true colour of the few small pixels that it covers.

    Parameters
    ----------
    rgb8 : ndarray of uint8, shape (Y, X, 3)
        The true picture, sRGB.
    points : sequence of (y, x)
        Pixels of the picture.
    small_shape : tuple of two int
        Of its small lightness.
    """
    lab = small_lab(rgb8, small_shape)
    return [_true_hint(lab, rgb8.shape[:2], y, x) for y, x in points]


def _true_hint(lab: np.ndarray, shape: tuple[int, ...], y: float, x: float) -> Hint:
    covered = hint_channels([Hint(y, x, _ANY_COLOUR)], (shape[0], shape[1]), lab.shape[:2])[0] == 1
    red, green, blue = (int(code) for code in np.rint(lab_to_srgb(lab[covered].mean(axis=0)) * 255))
    return Hint(y, x, (red, green, blue))


def random_points(shape: tuple[int, ...], count: int, rng: np.random.Generator) -> list[tuple[float, float]]:
    """Pixels of a picture, all equally likely ([1]_); the first of many are as random as few."""
    return [(float(rng.integers(shape[0])), float(rng.integers(shape[1]))) for _ in range(count)]
