"""Enlargement: from the map's grids to the pixels of a plane, along the edges of the lightness.

Chroma is enlarged by cubic convolution [1]_; what lightness shows beyond the map is added in proportion: in each
neighbourhood of the map a* and b* are fitted as linear functions of its lightness, as the guided filter does [2]_, and
the slope is applied to the difference between the own lightness of a pixel and that of the map. Low frequencies stay
those of the map, and a pixel needs nothing but its own lightness, its position and the map.

Grain would be painted into the colour; so the pixel's lightness is first clipped to the range of the small lightness
around it, which is narrow where the picture is flat and wide at an edge.

This is the definition in plain NumPy; `training.kernels` does the same for every pixel, fast.

References
----------
.. [1] Keys, "Cubic convolution interpolation for digital image processing", IEEE ASSP 1981, equation 15.
.. [2] He, Sun and Tang, "Guided image filtering", IEEE PAMI 2013, equations 5 and 6.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, reduce

import numpy as np

from training.chroma_map import AB_STEP, ChromaMap

REGULARISATION = np.float32(80)  # of the fit, in units of L* squared: lightness that varies less guides little


@dataclass(frozen=True, slots=True)
class Grids:
    """What enlargement needs of a map, on its own grids.

    Attributes
    ----------
    ab : ndarray of float32, shape (2, y, x)
        a* and b*.
    slope : ndarray of float32, shape (2, y, x)
        Change of a* and b* with L*.
    mean : ndarray of float32, shape (y, x)
        L* on the grid of `ab`.
    low, high : ndarray of float32, shape (2 y, 2 x)
        Range of L* around each pixel of the small lightness.
    wraps : bool
        Whether what follows an edge is the opposite one.
    """

    ab: np.ndarray
    slope: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    wraps: bool


def grids(ab: np.ndarray, lightness: np.ndarray, *, wraps: bool = False) -> Grids:
    """The grids of a map. Sums are formed in one order, so they are the same bits everywhere.

    Parameters
    ----------
    ab : ndarray of float32, shape (2, y, x)
        a* and b*.
    lightness : ndarray of uint8, shape (2 y, 2 x)
        The small lightness.
    wraps : bool
        Whether what follows an edge is the opposite one, as in a texture; otherwise the edge is repeated.
    """
    light = lightness.astype(np.float32) / np.float32(2.55)
    mean = halved(light)
    around = _box_mean(mean, wraps)
    variance = _box_mean(mean * mean, wraps) - around * around
    covariance = np.stack([_box_mean(plane * mean, wraps) - _box_mean(plane, wraps) * around for plane in ab])
    slope = covariance / (variance + REGULARISATION)
    return Grids(ab, slope, mean, _around(light, np.minimum, wraps), _around(light, np.maximum, wraps), wraps)


@lru_cache(maxsize=8)  # a picture on the screen is rendered tile by tile
def grids_of_map(chroma: ChromaMap) -> Grids:
    """The grids of a colour map; nobody may write into them."""
    return grids(chroma.ab.astype(np.float32) * np.float32(AB_STEP), chroma.lightness, wraps=chroma.wraps)


def halved(values: np.ndarray) -> np.ndarray:
    """Means of 2 x 2 pixels: float32, shape (Y, X) or (Y, X, C), of even sides."""
    return reduce(np.add, [values[y::2, x::2] for y in range(2) for x in range(2)]) / np.float32(4)


def _around(plane: np.ndarray, combine: Callable[[np.ndarray, np.ndarray], np.ndarray], wraps: bool) -> np.ndarray:
    """Each pixel combined with its eight neighbours."""
    height, width = plane.shape
    padded = np.pad(plane, 1, mode="wrap" if wraps else "edge")
    shifted = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    return np.ascontiguousarray(reduce(combine, shifted))


def _box_mean(plane: np.ndarray, wraps: bool) -> np.ndarray:
    return _around(plane, np.add, wraps) / np.float32(9)


@dataclass(frozen=True, slots=True)
class Taps:
    """Where the pixels of a side lie on a grid.

    Attributes
    ----------
    near : ndarray of int64, shape (4, pixels)
        Grid cells before and after each pixel, two and two.
    cubic : ndarray of float32, shape (4, pixels)
        Weights of cubic convolution ([1]_, with a = -1/2).
    linear : ndarray of float32, shape (2, pixels)
        Weights of the two in the middle.
    """

    near: np.ndarray
    cubic: np.ndarray
    linear: np.ndarray


def taps(start: int, stop: int, side: int, cells: int, *, wraps: bool) -> Taps:
    """Taps of the pixels start..stop of a side that is laid over so many cells; beyond, as `grids` has it."""
    position = (np.arange(start, stop) + 0.5) * cells / side - 0.5
    first = np.floor(position).astype(np.int64)
    t = position - first
    cubic = [
        ((2 - t) * t - 1) * t / 2,
        ((3 * t - 5) * t * t + 2) / 2,
        ((4 - 3 * t) * t + 1) * t / 2,
        (t - 1) * t * t / 2,
    ]
    near = first + np.arange(-1, 3)[:, None]
    near = near % cells if wraps else np.clip(near, 0, cells - 1)
    return Taps(near, np.stack(cubic).astype(np.float32), np.stack([1 - t, t]).astype(np.float32))


def enlarge(
    grid: Grids, lightness: np.ndarray, shape: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """a* and b* at the pixels of a rectangle.

    Parameters
    ----------
    grid : Grids
        Of the map.
    lightness : ndarray of float32, shape (rows, columns)
        L* of the pixels.
    shape : tuple of two int
        Of the level that the rectangle lies in.
    rows, columns : tuple of two int
        First and one past the last pixel.

    Returns
    -------
    a : ndarray of float32, shape (rows, columns)
        a*, not limited to the gamut.
    b : ndarray of float32, shape (rows, columns)
        b*, likewise.
    """
    (y, fine_y), (x, fine_x) = (
        [taps(*part, side, cells * factor, wraps=grid.wraps) for factor in (1, 2)]
        for part, side, cells in zip((rows, columns), shape, grid.mean.shape)
    )
    low, high = (_linear(plane, fine_y, fine_x) for plane in (grid.low, grid.high))
    beyond = np.minimum(np.maximum(lightness, low), high) - _linear(grid.mean, y, x)
    a, b = (_cubic(ab, y, x) + _linear(slope, y, x) * beyond for ab, slope in zip(grid.ab, grid.slope))
    return a, b


def _cubic(plane: np.ndarray, y: Taps, x: Taps) -> np.ndarray:
    along_y = reduce(np.add, [y.cubic[k, :, None] * plane[y.near[k]] for k in range(4)])
    return reduce(np.add, [x.cubic[k] * along_y[:, x.near[k]] for k in range(4)])


def _linear(plane: np.ndarray, y: Taps, x: Taps) -> np.ndarray:
    along_y = reduce(np.add, [y.linear[k, :, None] * plane[y.near[k + 1]] for k in range(2)])
    return reduce(np.add, [x.linear[k] * along_y[:, x.near[k + 1]] for k in range(2)])
