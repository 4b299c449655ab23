"""Small lightness: what the network sees of a plane, the same whatever the plane's size and chunks.

The raw values are reduced by exact area means to the working size, then windowed, then made L* in 8 bits. The sums are
integers throughout, so they do not depend on the order in which the parts of a plane come.
"""

import numpy as np

from training.color import lightness8
from training.plane import BAND_PIXELS, ArrayLike, check_plane, row_bands
from training.window import Window

LONGEST_ASPECT = 4  # long side of the small lightness over the working size, at most


def small_shape(shape: tuple[int, int], working_size: int) -> tuple[int, int]:
    """Shape of the small lightness: the short side is the working size, both sides are even.

    Planes longer than four times their breadth get a smaller short side, so that the long one is at most four times
    the working size.
    """
    height, width = shape
    scale = min(working_size / min(shape), LONGEST_ASPECT * working_size / max(shape))
    return max(2, 2 * round(height * scale / 2)), max(2, 2 * round(width * scale / 2))


def small_lightness(plane: ArrayLike, window: Window, working_size: int) -> np.ndarray:
    """L* of a plane at the working size, in 8 bits.

    Parameters
    ----------
    plane : array-like, shape (Y, X)
        Stored values; read in bands of rows, each once.
    window : Window
        From stored values to gray.
    working_size : int
        Short side of the result, in pixels.

    Returns
    -------
    ndarray of uint8, shape (y, x)
        round(L* * 2.55).

    Raises
    ------
    PlaneError
        If `plane` is not a plane of at least one pixel.
    """
    shape = small_shape(check_plane(plane), working_size)
    if np.dtype(plane.dtype).newbyteorder("=") in (np.uint8, np.uint16):
        return lightness8(window.value(area_means(plane, shape)))
    # floats and the like become 16-bit gray first, so that the sums stay exact
    return lightness8(area_means(_Windowed(plane, window), shape) / 65535)


class _Windowed:
    """A plane seen through its window, as 16-bit gray."""

    def __init__(self, plane: ArrayLike, window: Window) -> None:
        self.plane, self.window, self.shape, self.dtype = plane, window, plane.shape, np.uint16
        self.chunks = getattr(plane, "chunks", None)  # so that each is read once

    def __getitem__(self, key: slice) -> np.ndarray:
        return self.window.apply(np.asarray(self.plane[key]), 16)


def area_means(plane: ArrayLike, shape: tuple[int, int]) -> np.ndarray:
    """Means of a plane over the cells of a grid laid over it; where the grid is finer, linear interpolation.

    Parameters
    ----------
    plane : array-like of unsigned integers up to 16 bit, shape (Y, X)
        Each chunk is read once.
    shape : tuple of two int
        Shape of the grid.

    Returns
    -------
    ndarray of float64, of that shape
        A pixel that a cell covers in part counts in proportion. Sums are exact, so bands and chunks do not matter.
    """
    height, width = plane.shape
    rows, columns = shape
    total = np.zeros((rows, columns))
    step = max(1, BAND_PIXELS // width)  # rows that are summed at a time: sums take eight times the memory of pixels
    for top, bottom in row_bands(plane):
        band = np.asarray(plane[top:bottom])
        for start in range(top, bottom, step):
            stop = min(start + step, bottom)
            first, last, weights = _weights(start, stop, height, rows)
            # integers below 2**53: float64 adds them exactly, in any order
            total[first:last] += weights @ _sums_along_x(band[start - top : stop - top], columns)
    return total / _weight_sum(height, rows) / _weight_sum(width, columns)


def _weight_sum(side: int, cells: int) -> int:
    return side if cells <= side else cells


def _weights(start: int, stop: int, side: int, cells: int) -> tuple[int, int, np.ndarray]:
    """Integer weights of pixels start..stop for the cells that they touch: first cell, last cell, (cells, pixels)."""
    if cells > side:
        return _interpolation_weights(start, stop, side, cells)
    first, last = start * cells // side, -(-stop * cells // side)
    # in units of 1 / cells of a pixel: pixel j covers [j, j + 1) * cells, cell i covers [i, i + 1) * side
    pixels = np.arange(start, stop)[None] * cells
    grid = np.arange(first, last)[:, None] * side
    overlap = np.minimum(pixels + cells, grid + side) - np.maximum(pixels, grid)
    return first, last, np.clip(overlap, 0, None).astype(np.float64)


def _interpolation_weights(start: int, stop: int, side: int, cells: int) -> tuple[int, int, np.ndarray]:
    """The same for a grid finer than the pixels: linear between pixel centres, in units of 1 / cells."""
    # doubled positions keep half pixels integer: cell i lies at pixel ((2 i + 1) side - cells) / (2 cells)
    position = np.clip((2 * np.arange(cells) + 1) * side - cells, 0, 2 * cells * (side - 1))
    distance = np.abs(position[:, None] - 2 * cells * np.arange(start, stop)[None])
    return 0, cells, np.clip(2 * cells - distance, 0, None) / 2


def _sums_along_x(values: np.ndarray, columns: int) -> np.ndarray:
    """Weighted sums along the rows: (Y, X) to (Y, columns), exact integers in float64."""
    width = values.shape[1]
    if columns > width:
        return values @ _interpolation_weights(0, width, width, columns)[2].T
    # the integral of a row at cell borders, in units of 1 / columns of a pixel
    integral = np.zeros((len(values), width + 1), np.int64)
    np.cumsum(values, axis=1, out=integral[:, 1:])
    whole, part = np.divmod(np.arange(columns + 1) * width, columns)
    padded = np.concatenate([values, values[:, -1:]], axis=1)
    at_borders = integral[:, whole] * columns + padded[:, whole].astype(np.int64) * part
    return np.diff(at_borders, axis=1).astype(np.float64)
