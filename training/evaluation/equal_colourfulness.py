"""The saturation at which a set of coloured pictures is as colourful as wanted.

A gray picture has a good PSNR and a garish one looks alive, so models are compared where they are equally colourful.
"""

from collections.abc import Sequence

import numpy as np

from training.chroma_map import ChromaMap
from training.evaluation.metrics import colourfulness
from training.rendering import Region

LARGEST_SATURATION = 4.0
BISECTIONS = 12  # to a thousandth
SAMPLE_SIDE = 48  # short side of a sample in pixels, about


def sample(plane: np.ndarray) -> np.ndarray:
    """Evenly spaced pixels of a plane, enough to find a saturation.

    Parameters
    ----------
    plane : ndarray, shape (Y, X)
        Gray.
    """
    # an odd step meets every place of the 8 x 8 blocks of JPEG: a step of 4 was wrong by one part in a hundred
    step = max(1, min(plane.shape) // SAMPLE_SIDE) | 1
    return plane[step // 2 :: step, step // 2 :: step].copy()


def find_saturation(maps: Sequence[ChromaMap], samples: Sequence[np.ndarray], times: float) -> float | None:
    """Factor on the chroma of all maps that makes a set so many times as colourful; None where 4 does not suffice.

    Parameters
    ----------
    maps : sequence of ChromaMap
        One for each picture.
    samples : sequence of ndarray of uint8
        Of their planes, see `sample`.
    times : float
        Wanted mean colourfulness (`training.evaluation.metrics.colourfulness`) over that of the maps as they are.
    """
    wanted = times * _mean_colourfulness(maps, samples, 1.0)
    low, high = 0.0, LARGEST_SATURATION
    if _mean_colourfulness(maps, samples, high) < wanted:
        return None
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        if _mean_colourfulness(maps, samples, middle) < wanted:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _mean_colourfulness(maps: Sequence[ChromaMap], samples: Sequence[np.ndarray], saturation: float) -> float:
    level = Region(slice(None), slice(None), level=1)  # a sample is rendered as a coarser level of its plane
    rendered = (chroma.with_saturation(saturation).render(plane, level) for chroma, plane in zip(maps, samples))
    return float(np.mean([colourfulness(rgb8) for rgb8 in rendered]))
